-- Sends the requests of a pool file in turn; a counter fills their slots, so that no two requests are equal.
-- Arguments: the pool file (format: benchmarks/traffic.py), the counter's start. Prints one line of JSON at the end.
local pool, counter
local threads = 0

function setup(thread)
  thread:set("ahead", threads * 5000000)
  threads = threads + 1
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local data = file:read("*a")
  file:close()
  counter = tonumber(arguments[2]) + ahead
  pool = {}
  for entry in data:gmatch("([^%z]+)%z") do
    local pieces = {}
    for piece in (entry .. "\1"):gmatch("([^\1]*)\1") do
      pieces[#pieces + 1] = piece
    end
    pool[#pool + 1] = pieces
  end
end

function request()
  counter = counter + 1
  return table.concat(pool[counter % #pool + 1], string.format("%010d", counter))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "p50_us": %.1f, "p99_us": %.1f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
