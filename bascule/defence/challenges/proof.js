"use strict";
// Solves the puzzles of defence/challenges/proof.py. WebCrypto where the page is secure; on plain HTTP browsers
// withhold it, so there SHA-256 (FIPS 180-4) is computed here.
(async () => {
  const page = document.currentScript.dataset;
  const say = document.getElementById("state");
  const bar = document.getElementById("work");
  const text = new TextEncoder();
  const BATCH = 128;

  const K = new Uint32Array(64), START = new Uint32Array(8);
  for (let prime = 2, found = 0; found < 64; prime++) {
    let whole = true;
    for (let d = 2; d * d <= prime; d++) if (prime % d === 0) whole = false;
    if (!whole) continue;
    const bits = x => (x - Math.floor(x)) * 4294967296;
    if (found < 8) START[found] = bits(Math.sqrt(prime));
    K[found++] = bits(Math.cbrt(prime));
  }
  const W = new Uint32Array(64);
  function first32(bytes) {  // the first word of the digest of up to 119 bytes
    const blocks = bytes.length > 55 ? 2 : 1, padded = new Uint8Array(blocks * 64), view = new DataView(padded.buffer);
    padded.set(bytes);
    padded[bytes.length] = 128;
    view.setUint32(padded.length - 4, bytes.length * 8);
    const h = START.slice();
    const turn = (x, n) => x >>> n | x << 32 - n;
    for (let at = 0; at < padded.length; at += 64) {
      for (let i = 0; i < 16; i++) W[i] = view.getUint32(at + 4 * i);
      for (let i = 16; i < 64; i++) {
        const x = W[i - 15], y = W[i - 2];
        W[i] = W[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ x >>> 3) + W[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ y >>> 10);
      }
      let [a, b, c, d, e, f, g, k] = h;
      for (let i = 0; i < 64; i++) {
        const t = k + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + K[i] + W[i] | 0;
        const u = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c) | 0;
        k = g; g = f; f = e; e = d + t | 0; d = c; c = b; b = a; a = t + u | 0;
      }
      [a, b, c, d, e, f, g, k].forEach((word, i) => { h[i] += word; });
    }
    return h[0];
  }
  const subtle = globalThis.crypto && crypto.subtle;
  const hashes = subtle
    ? list => Promise.all(list.map(async x => new DataView(await subtle.digest("SHA-256", x)).getUint32(0)))
    : list => list.map(first32);

  try {
    const answer = [], limit = 2 ** (32 - page.bits), count = Number(page.puzzles);
    let rested = performance.now();
    for (let puzzle = 0; puzzle < count; puzzle++) {
      for (let n = 0, found = -1; found < 0; n += BATCH) {
        const list = Array.from({length: BATCH}, (_, i) => text.encode(`${page.ticket}.${puzzle}.${n + i}`));
        found = (await hashes(list)).findIndex(word => word < limit);
        if (found >= 0) answer.push(n + found);
        if (performance.now() - rested > 50) {  // let the page be painted and read out
          await new Promise(done => setTimeout(done));
          rested = performance.now();
        }
      }
      bar.value = puzzle + 1;
    }
    const sent = await fetch(`${page.endpoint}?t=${page.ticket}&a=${answer.join(".")}`, {credentials: "same-origin"});
    if (!sent.ok) throw new Error(sent.status);
    say.textContent = say.dataset.done;
    if (page.posted) history.back();
    else location.reload();
  } catch (error) {
    say.textContent = say.dataset.failed;
  }
})();
