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
              "Is <n> > <n> and <n> < <n>?", "<n> < <n> and <n> > <n>", "<n> = <n> or <n> = <n>, who knows", "use `ls -la` to <verb> files", "the `<verb>` of a `<noun>`", "It's 5 o'clock -- or later -- isn't it?", "Drop us a line; we'll <verb> it.", "You can select your union representative from the list where available", "If <noun> then <noun> else <noun> end",
              "he said \"<verb> it\" and <name> said 'no'", "Can't <verb>: error in <noun> 'where'", "<verb> | <verb> | <noun>", "cat & dog; mouse", "Sleep (8 hours) or <n>?", "my id is <n>; whoami?", "Who am I? id or name", "(see <noun>) and (not <noun>)", "and/or", "1=1 is a truth", "Let's go to the net; user friendly", "type the name of the dir and ping me",
              "Come & see the host, finger food | ls swimwear", "I used grep & awk to sort the log; it was fine", "The union of A and B", "Having <n> or more, order by phone", "group by size; order by price", "insert into the slot", "update your set of cards where needed", "delete from cart",
              "create table reservation", "Price: $<n>; was $<n>", "<n> + <n> = <n>", "C# & .NET; C++ | Rust", "the `id` column and the `date` column", "use `ls` to list", "ping me | call me", "type A; type B", "an alert (red) was shown", "prompt (quick) reply", "'or' is a word, 'and' too", "\"or\" or \"and\"?", "/* TODO: later */", "--", "javascript: the good parts", "expression (of joy)", "R&D; Q&A", "#1 choice -- <name>", "*** important ***", "/* not code */ just art", "(a) first; (b) second", "100% cotton; 50% off", "<3 you & me", "a < b and c > d", "x -> y => z", "if x<y then <b>"],
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
              "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "<p>Hello <b><name></b>,<br>see <a href=\"https://<host>/<path>\">this</a>.</p>", "<svg width=\"<n>\" height=\"<n>\"><path d=\"M0 0L<n> <n>\"/></svg>", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a><b><n></b></a>", "C:\\Users\\<word>\\Documents\\<word>.docx", "Mon, 01 Jan 2024 10:00:00 GMT", "<word> <<word>@<host>>", "{<word>}", "{{ <word> }}", "${<word>}", "<%= <word> %>", "$<n>.00", "50%", "%s", "name[<word>]", "filter[<word>][]", "sort=-<word>", "fields=<word>,<word>(<word>)", "en-US,en;q=0.9", "text/html;charset=utf-8", "<word>|<word>", "localhost", "max(<n>,<n>)", "@media (max-width:<n>px)", "color:#ff00aa;background:url(/a.png)", "function(){}", "<word>=<n>&<word>=<n>"],
    "path": ["a/b/c", "products", "assets/app", "wp-content/themes/x/style", "news/2024/<n>", "cmd/help", "etc/info", "bin", "admin", "login", "exec/summary"],
    "word": ["shoes", "red", "blue", "index", "id", "title", "search", "date", "price", "size", "user", "where", "from", "table", "select", "name"],
}  # fmt: skip

RICH: Grammar = {
    **_PLAIN,
    "start": ["<block>", "<block><block>", "<p><sentence></p><block>", "<div class=\"<word>\"><block></div>", "<sentence><br><sentence>"],
    "block": ["<p>Hello <b><name></b>, <sentence></p>", "<p style=\"text-align:center\"><img src=\"https://<host>/<word>.png\" alt=\"<word>\" width=\"<n>\"></p>", "<ul><li><sentence></li><li><name></li></ul>",
              "<h2><word></h2><p><sentence> <a href=\"https://<host>/<word>\">more</a></p>", "<blockquote><sentence></blockquote>", "<table border=\"0\"><tr><td><n></td><td><name></td></tr></table>", "<pre><code>x = <n>\nprint(x)</code></pre>",
              "<span style=\"color: #<n><n><n>; font-size: <n>px\"><word></span>", "<p>&nbsp;</p>", "<hr /><p><em><sentence></em></p>", "<a href=\"mailto:<word>@<host>\"><name></a>", "<figure class=\"image\"><img src=\"/uploads/<word>.jpg\"><figcaption><word></figcaption></figure>",
              "<video width=\"<n>\" height=\"<n>\" controls><source src=\"/media/<word>.mp4\" type=\"video/mp4\"></video>", "<form action=\"/<word>\" method=\"post\"><label><word></label> <input type=\"text\" name=\"<word>\"> <button type=\"submit\"><word></button></form>",
              "<style>.<word> { color: #<n><n><n>; }</style><p class=\"<word>\"><sentence></p>", "<details><summary><word></summary><sentence></details>", "<!-- wp:<word> {\"id\":<n>} --><p><sentence></p><!-- /wp:<word> -->", "<iframe src=\"https://www.youtube.com/embed/<word>\" width=\"<n>\" height=\"<n>\" allowfullscreen></iframe>"],
    "sentence": ["It was the best of times.", "Please select your seat and update the order.", "We don't drop the price from now on.", "<name> said \"yes\".", "See page <n> or <n>.", "Is 3 < 4 & 5 > 2?"],
    "word": ["photo", "menu", "intro", "shoes", "summer", "team"],
}  # fmt: skip
FORUM: Grammar = {
    **_PLAIN,
    "start": ["<greeting> <question>\n\n<quoted>\n\n<thanks>", "<greeting> <question> <inline> <thanks>", "<question>\n```\n<quoted>\n```\n<thanks>"],
    "greeting": ["Hi all, I am new to this and have a short question.", "Hello everybody, sorry if this was asked before.", "Dear support team, my shop shows an error since yesterday.", "Good morning, I am trying to learn how databases work."],
    "question": ["Why does my query not return any rows when I run it?", "Can somebody explain what the following lines do to me?", "What is the difference between these two ways to write it?", "How do I make this faster on a table with a million rows?", "My teacher gave us this and I cannot see what is wrong."],
    "quoted": ["SELECT name, price FROM products WHERE id = <n> ORDER BY price", "SELECT a FROM t1 UNION SELECT b FROM t2 WHERE c = 1 OR d = 2", "INSERT INTO orders (id, total) VALUES (<n>, <n>)", "DELETE FROM carts WHERE age > <n>; -- old ones", "UPDATE users SET name = 'x' WHERE id = <n>", "DROP TABLE old_orders;",
               "for f in *.txt; do cat $f | wc -l; done", "cat /etc/hosts | grep localhost", "ls -la /var/www/html", "*/5 * * * * /usr/bin/php /home/user/cron.php > /dev/null 2>&1", "ssh user@host 'tail -n 50 /var/log/syslog'", "curl -s https://<host>/api | jq .name",
               "import os\nprint(os.getcwd())", "<?php echo $name; ?>", "System.out.println(\"x\" + <n>);", "const fs = require('fs');", "try:\n    open('a.txt').read()\nexcept OSError:\n    pass", "public static void main(String[] args) { }"],
    "inline": ["I ran ls -la and then cat on the file but it was empty.", "It says You have an error in your SQL syntax near 'x' at line <n>.", "The log has GET /index.php?id=<n> HTTP/1.1 and nothing else.", "The path is C:\\Program Files\\App\\config.ini as far as I know.", "I set chmod to 755 and restarted, and it is still the same."],
    "thanks": ["Thanks a lot in advance for any help with it!", "Any hint is welcome, thank you.", "Best regards, <name>", "Kind regards\n<name>"],
}  # fmt: skip
MAIL: Grammar = {
    **_PLAIN,
    "start": ["Dear <name>,\n\n<line> <line>\n\nBest regards,\n<name>\n-- \n<name>\nTel: +49 30 123456", "On Mon, Jan 1, 2024 at 10:00 AM <name> wrote:\n> <line>\n> <line>\n\n<line>", "<line>\n\n---------- Forwarded message ---------\nFrom: <name>\nDate: Mon, 1 Jan 2024\nSubject: <noun>\nTo: <name>\n\n<line>",
              "<emoji> <line>", "<script_text>", "<latex>", "<line> (<n>%) - <line>", "Tel. (030) <n>-<n>; fax: -<n>", "\"<noun> <noun>\" -<noun> OR <noun>", "<noun> AND (<noun> OR <noun>)", "<name>'s <noun> & <name>'s <noun>"],
    "line": ["we received your order <n> and will send it on Friday.", "Please find the invoice and the report attached.", "can you update the list and drop me a line?", "The total is <n> EUR (incl. 19% VAT); shipping is <n> EUR.", "I'd like to order; my number is <n>.", "It's <name>'s turn to select the place: 'Bistro' or \"Pasta & Co\"."],
    "emoji": ["\U0001f600", "\u2764\ufe0f", "\U0001f44d\U0001f3fd"],
    "script_text": ["\u6211\u60f3\u8d2d\u4e70\u8fd9\u4e2a\u4ea7\u54c1\uff0c\u8c22\u8c22\u3002", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643\u0645 \u0641\u064a \u0627\u0644\u0645\u0648\u0642\u0639", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?", "Gr\u00fc\u00dfe aus M\u00fcnchen; bis sp\u00e4ter", "\u00bfQu\u00e9 tal? \u00a1Ol\u00e9!"],
    "latex": ["$\\frac{a}{b} + x^{2} = \\sqrt{<n>}$", "\\begin{align} x &= <n> \\\\ y &= <n> \\end{align}", "$$\\sum_{i=1}^{<n>} i^{2}$$", "Let $f(x)=<n>x+<n>$ and $g: A \\to B$."],
}  # fmt: skip
STATE: Grammar = {
    **_PLAIN,
    "start": ["https://<host>/login?redirect_uri=https%3A%2F%2F<host>%2Fcallback&state=<hex>&scope=openid%20profile", "https://<host>/?next=%2Faccount%2Forders%3Fpage%3D<n>", "{\"theme\":\"dark\",\"items\":[{\"id\":<n>,\"name\":\"<name>\"}],\"a>b\":true}", "{\"css\":\".a > .b { color: red; } @media (max-width: <n>px) { .c::before { content: '\\\\201c' } }\"}",
              "body { font: 12px/1.5 'Open Sans', sans-serif; background: url('/img/a.png') no-repeat; }", "query { product(id: <n>) { name price { amount currency } } }", "mutation Add($id: ID!, $n: Int = 1) { addToCart(id: $id, quantity: $n) { total } }", "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4",
              "<hex><hex>", "PHNhbWxwOlJlc3BvbnNlIHhtbG5zOnNhbWxwPSJ1cm46b2FzaXM6bmFtZXM6dGM6U0FNTDoyLjA6cHJvdG9jb2wiPjwvc2FtbHA6UmVzcG9uc2U+", "a=1; b=\"x y\"; c={\"k\":<n>}", "v1|<n>|<hex>|en_US", "Error: Cannot read property 'x' of undefined at https://<host>/main.js:<n>:<n>", "TypeError: f is not a function\n    at Object.<anonymous> (https://<host>/a.js:1:<n>)",
              "div.main > ul:nth-child(<n>) a[href^='/p']", "//div[@id='main']/ul/li[<n>]", "/html/body/div[<n>]/ul/li[<n>]/a", "//*[@id=\"main\"]/div[<n>]/span", "//*[name()='svg']", "//*[local-name()='svg']/*[local-name()='path']", "(k<n>=a)(k<n>=b)", "f(x)(y=<n>)", "name;id", "id;date;price", "&lt;<word>&gt;", "&lt;p&gt;<name>&lt;/p&gt;", "<n> &lt; <n> &amp; <n> &gt; <n>", "{\"$type\": \"<word>\"}", "\\d+\\.\\d*", "\\w+@\\w+", "a|id|name", "https://<host>/a?u=//<host>/b", "s:5:\"hello\";", "case when it rains then at home, end of story", "5 or 6", "1 or 2 and 3", "x=(a&b)", "#content .item:hover", "name:asc,price:desc", "price:[<n> TO <n>]", "category:(shoes OR boots) AND NOT color:red", "(status eq 'open') and (id gt <n>)", "id in (<n>,<n>)", "$filter=Price lt <n>", "((a,b),(c,d))", "0 0 * * 1-5", "*.example.com", "C:\\fakepath\\photo.jpg", "/home", "/de/kontakt", "<n>px <n>px 0 rgba(0,0,0,.5)", "rgb(<n>,<n>,<n>)"],
    "word": ["shoes", "title", "date", "price", "user", "bold"],
    "hex": ["9f8e7d6c5b4a3928", "a1b2c3d4e5f60718", "0123456789abcdef"],
}  # fmt: skip

QUERIES: Grammar = {
    **_PLAIN,
    "start": ["<condition>", "<condition> <joint> <condition>", "<condition> <joint> <condition> <joint> <condition>", "(<condition> <joint> <condition>) <joint> <condition>", "<condition> ORDER BY <field> DESC", "<field> <direction>, <field> <direction>",
              "<call>(<field>) as <field>", "sum(rate(<field>_total{<field>=\"<value>\"}[<n>m])) by (<field>)", "+<field>:<value> -<field>:(<value> OR <value>)", "<field>:[<n> TO <n>] AND <field>:\"<value> <value>\"~<n>", "{<field>=\"<value>\"} |= \"<value>\" | json",
              "$.<field>[?(@.<field> < <n>)].<field>", "<field>[?<field> > `<n>`].<field>", "<field>.<field> == '<value>' && <field>.<field> != null", "INTERSECTS(<field>, POINT(<n> <n>)) AND <field> > <n>", "at <field> (https://<host>/<field>.js:<n>:<n>)\n    at eval (eval at <field> (https://<host>/<field>.js:<n>:<n>))"],
    "condition": ["<field> = '<value>'", "<field> <compare> <n>", "<field> in ('<value>','<value>')", "<field> = \"<value>\"", "<field> ~ \"<value> <value>\"", "<field> is null", "<field> like '<value>%'", "<field> eq '<value>'", "<field> = <value>", "<field> >= '2024-01-0<n>'"],
    "joint": ["AND", "and", "OR", "or", "AND NOT"],
    "compare": ["=", ">", "<", ">=", "<=", "!=", "gt", "le"],
    "direction": ["asc", "desc", "ASC", "DESC"],
    "call": ["COUNT", "SUM", "avg", "max"],
    "field": ["status", "price", "created_at", "customer", "country", "title", "region", "labels.env", "assignee"],
    "value": ["open", "paid", "shoes", "Berlin", "draft", "error", "prod", "Smith"],
}  # fmt: skip

GRAMMARS: dict[str, Grammar] = {
    "prose": PROSE,
    "code": CODE,
    "machine": MACHINE,
    "rich": RICH,
    "forum": FORUM,
    "mail": MAIL,
    "state": STATE,
    "queries": QUERIES,
}
"""Grammars by name."""
