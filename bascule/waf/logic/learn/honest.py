"""Grammars of harmless texts that look like attacks to a signature: what people write, and what sites send."""

from __future__ import annotations

from bascule.waf.logic.learn.grammar import Grammar

_PLAIN = {
    "noun": ["order", "cat", "report", "user", "table", "price", "invoice", "letter", "ping", "curl of her hair", "select committee", "union", "host", "group", "script", "sleep", "shell", "echo", "drop", "wall"],
    "verb": ["select", "drop", "union", "insert", "delete", "update", "order", "ping", "echo", "sleep", "find", "cut", "sort", "kill", "cat", "touch", "like", "execute", "alert"],
    "name": ["O'Brien", "D'Angelo", "Anne-Marie", "Smith & Sons", "AT&T", "Marks & Spencer", "L'Oréal", "Conan O'Neill", "M. d'Arcy", "Müller", "N'Golo", "rock 'n' roll", "Guns N' Roses", "Procter & Gamble"],
    "n": ["1", "2", "10", "42", "100", "3.14", "2024"],
    "host": ["www.example.com", "shop.example.com", "cdn.example.net", "example.org", "docs.example.io"],
}  # fmt: skip

PROSE: Grammar = {
    **_PLAIN,
    "start": ["Please <verb> the <noun> and <verb> it from the <noun> where you like.", "<name> and <name>", "I'd like to <verb> a <noun>; can you <verb> it?", "The <noun> was where the <noun> is, or is it?",
              "Don't <verb> the <noun>, it's <name>'s.", "We <verb> from <n> to <n>; then we <verb>.", "Union <noun>: select <n> or <n> and like it", "<name>", "What's the <noun>? (<n> or <n>)", "Tom & Jerry; <name> | <noun>",
              "Is <n> > <n> and <n> < <n>?", "It's 5 o'clock -- or later -- isn't it?", "Drop us a line; we'll <verb> it.", "You can select your union representative from the list where available", "If <noun> then <noun> else <noun> end",
              "he said \"<verb> it\" and <name> said 'no'", "Can't <verb>: error in <noun> 'where'", "<verb> | <verb> | <noun>", "cat & dog; mouse", "Sleep (8 hours) or <n>?", "my id is <n>; whoami?", "Who am I? id or name", "(see <noun>) and (not <noun>)", "and/or", "1=1 is a truth", "Let's go to the net; user friendly", "type the name of the dir and ping me",
              "Come & see the host, finger food | ls swimwear", "I used grep & awk to sort the log; it was fine", "The union of A and B", "Having <n> or more, order by phone", "group by size; order by price", "insert into the slot", "update your set of cards where needed", "delete from cart",
              "create table reservation", "Price: $<n>; was $<n>", "<n> + <n> = <n>", "C# & .NET; C++ | Rust", "R&D; Q&A", "#1 choice -- <name>", "*** important ***", "/* not code */ just art", "(a) first; (b) second", "100% cotton; 50% off", "<3 you & me", "a < b and c > d", "x -> y => z", "if x<y then <b>"],
}  # fmt: skip

CODE: Grammar = {
    **_PLAIN,
    "start": ["`<inline>` does not work for me, why?", "```\n<block>\n```\nWhat is wrong here?", "Use **bold** and _italic_, see [docs](https://<host>/a?b=<n>&c=d) for `<inline>`.", "<maths>", "<regex>", "# Title\n\n- item one\n- item two\n\n> quoted text by <name>", "| a | b |\n|---|---|\n| <n> | <n> |", "f(x) = <n>x^2 + <n>; x > 0"],
    "inline": ["print(x)", "a = b + <n>", "list.append", "npm install", "x.map(y => y*2)", "<T>", "#include", "git commit", "font-size", "docker run", "foo()", "a[0]"],
    "block": ["def f(x):\n    return x + <n>", "for i in range(<n>):\n    print(i)", "int main() { return 0; }", "let x = [1,2,3].map(v => v * 2);", "body { color: red; margin: 0 auto }", "a: b\nc:\n  - d", "{\"a\": <n>, \"b\": [true, null]}", "if (a && b || c) { d(); }", "$ make install"],
    "maths": ["(a+b)*(c-d)/<n>", "x>=<n> && x<=<n>", "2*(3+4)=14", "sin(x)/x", "sum(i=1..n) i^2", "|x-y| < <n>", "{x | x > <n>}", "f: A -> B", "<n>*<n>", "n!/(k!(n-k)!)", "a || b && !c", "E=mc^2", "[0;1)"],
    "regex": ["^[a-z]+$", "\\d{3}-\\d{4}", "(foo|bar)*", "[^<>]+", "^(?:a|b)?c{2,3}$", "/^\\w+@\\w+\\.com$/i", "\\bword\\b", "*.txt|*.md"],
}  # fmt: skip

MACHINE: Grammar = {
    **_PLAIN,
    "start": ["https://<host>/<path>?q=<word>&page=<n>", "http://<host>:8080/<path>#top", "//<host>/<path>.js", "https%3A%2F%2F<host>%2F<path>", "/<path>/<word>", "<path>.html", "./<word>", "<word>@<host>", "android-app://com.example.app/", "mailto:<word>@<host>", "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA", "tel:+4930123456",
              "{\"<word>\":{\"<word>\":[<n>,<n>],\"url\":\"https://<host>/<path>\"}}", "[{\"id\":<n>,\"$type\":\"<word>\"}]", "{\"query\":\"query Q($id: ID!) { <word>(id: $id) { id name } }\",\"variables\":{\"id\":<n>}}", "a:<n>|b:<n>|c:<word>", "<word>;<word>;<word>", "<n>,<n>;<n>,<n>", "GA1.2.123456789.1600000000", "utm_source=<word>&utm_medium=<word>|cpc", "k=<word>!v=<n>~x", "(<word>:<n>,<word>:!t)", "<word>.<word>[<n>].<word>",
              "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "<p>Hello <b><name></b>,<br>see <a href=\"https://<host>/<path>\">this</a>.</p>", "<svg width=\"<n>\" height=\"<n>\"><path d=\"M0 0L<n> <n>\"/></svg>", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a><b><n></b></a>", "C:\\Users\\<word>\\Documents\\<word>.docx", "Mon, 01 Jan 2024 10:00:00 GMT", "<word> <<word>@<host>>", "{<word>}", "{{ <word> }}", "${<word>}", "<%= <word> %>", "$<n>.00", "50%", "%s", "name[<word>]", "filter[<word>][]", "sort=-<word>", "fields=<word>,<word>(<word>)", "en-US,en;q=0.9", "text/html;charset=utf-8", "<word>|<word>", "localhost", "http://localhost:3000/<path>", "max(<n>,<n>)", "@media (max-width:<n>px)", "color:#ff00aa;background:url(/a.png)", "function(){}", "<word>=<n>&<word>=<n>"],
    "path": ["a/b/c", "products", "assets/app", "wp-content/themes/x/style", "news/2024/<n>", "cmd/help", "etc/info", "bin", "admin", "login", "exec/summary"],
    "word": ["shoes", "red", "blue", "index", "id", "title", "search", "date", "price", "size", "user", "where", "from", "table", "select", "name"],
}  # fmt: skip

GRAMMARS: dict[str, Grammar] = {"prose": PROSE, "code": CODE, "machine": MACHINE}
"""Grammars by name."""
