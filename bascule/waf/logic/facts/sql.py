"""SQL: what a value does if it is pasted into a statement, as a number, in quotes or as a name."""

from __future__ import annotations

from .fact import Fact

_VERB = rb"(?:select|insert|update|delete|drop|create|alter|exec(?:ute)?|declare|waitfor|call|shutdown|truncate|merge|grant|revoke|begin|if|set|copy|attach|backup|restore|load|handler|prepare|rename|replace|use|dbcc|do|end|open|print|while|vacuum|kill|into)"

_OBJECT = rb"(?:table|database|procedure|function|view|user|login|index|trigger|schema|column|role|library|alias|extension|language|directory|aggregate)"

_ITSELF = b"|".join(rb"%c\s*=\s*%c" % (name, name) for name in b"abcdefghijklmnopqrstuvwxyz")
"""A name compared with itself: a condition of whoever knows no column."""

FACTS = (
    Fact(
        "sql.union_select",
        "joins a second query with UNION",
        (
            rb"\bunion\b[\s(]*(?:all|distinct|distinctrow)?[\s(+]*\bselect\b\s*(?:[-\d'\"(@*~+!.`\[{\\#$]|null\b|0x|n'|all\b|distinct\b|top\s|char\b|concat|\w+\s*(?:[,(]|\bfrom\b)|\w{1,40}\.\w{1,40}\s+from\b|\w{1,40}\s+as\s+\w{1,40}\s+from\b|[\w.]{1,60}\s*(?:\|\||[-+*/%])\s*['\"\w(]|$)",
            rb"\bunion\b[\s(]*(?:all|distinct|distinctrow)[\s(+]*\bselect\b",
            rb"\dunion\b[\s(]*(?:all|distinct)?[\s(+]*\bselect\b",
            rb"\bunion\b[\s(]*(?:all|distinct)?[\s(]*\b(?:values\s*\(|table\s+\w)",
            rb"\b(?:except|intersect|minus)\s+(?:all\s+)?\(*select\b",
        ),
        True,
    ),
    Fact(
        "sql.select_from", "a query: SELECT something FROM somewhere", (rb"\bselect\b[^<>;]{1,200}?\bfrom[\s(\"'`\[]",)
    ),
    Fact(
        "sql.select_literals",
        "SELECT of literals, NULLs, variables or calls",
        (
            rb"\bselect\s*\(*\s*(?:null\b|@@?\w|'[^']{0,64}'\s*[,)]|\d+\s*(?:,|\)|--|#|$|from)|\w{2,30}\(|\*\s*from|0x[0-9a-f])",
        ),
    ),
    Fact("sql.subselect", "a query in brackets", (rb"\(\s*select\b\s*[^\s]",)),
    Fact(
        "sql.bare_select",
        "a query right behind a quote, bracket, operator or semicolon",
        (
            rb"['\")=;,|+]\s*\(*\s*select\b[\s(*@\"'\d]",
            rb"^\s*select\b[\s(]+(?:\*|@@|\w+\s*\(|[\w.,\s]{1,80}\bfrom\b)",
        ),
    ),
    Fact(
        "sql.stacked_statement",
        "a second statement behind a semicolon",
        (
            rb"['\")\d\s];\s*" + _VERB + rb"\b[\s(]+[\w@\[\"'`#({*]",
            rb";\s*(?:shutdown|commit|rollback|end|go)\s*(?:--|;|#|$|with\b)",
            rb"^\s*;\s*" + _VERB + rb"\b[\s(]",
        ),
    ),
    Fact(
        "sql.change_data",
        "INSERT, UPDATE, DELETE or REPLACE",
        (
            rb"\binsert\s+(?:ignore\s+)?into\s+[\w`\"\[.@]+\s*(?:\(|values\b|select\b)",
            rb"\bupdate\s+[\w`\"\[\].]+\s+set\s+[\w`\"\[\].]+\s*=",
            rb"\bdelete\s+from\s+[\w`\"\[.]+(?:\s*(?:where\b|;|--|#|$))",
            rb"\breplace\s+into\s+\w|\bmerge\s+into\s+[\w.]+\s[^;]{0,60}\busing\b",
        ),
    ),
    Fact(
        "sql.change_schema",
        "CREATE, ALTER, DROP or TRUNCATE of a database object",
        (
            rb"\bdrop\s+(?:temp(?:orary)?\s+)?"
            + _OBJECT
            + rb"\s+(?:if\s+exists\s+)?(?:[`\"\[]|[\w.@]{1,80}\s*(?:$|[^\w\s]|(?:cascade|restrict|purge|with|go)\b))",
            rb"\b(?:create|alter)\s+(?:or\s+replace\s+)?(?:temp(?:orary)?\s+|unique\s+|global\s+)*"
            + _OBJECT
            + rb"\s+[\w`\"\[.@]",
            rb"\btruncate\s+table\s+\w",
            rb"\balter\s+(?:system|session)\s+\w",
        ),
    ),
    Fact(
        "sql.time_delay",
        "makes the database wait",
        (
            rb"\bpg_sleep(?:_for|_until)?\s*\(|\bsleep\s*\(\s*[('\"]*\s*[\d.+*/@\s'\"-]{1,20}\)|\bsleep\s*\(\s*(?:\(\s*)?(?:select\b|if\b|case\b)",
            rb"\bbenchmark\s*\(\s*[\w\s(*]{1,20},",
            rb"\bwaitfor\b\s*(?:delay|time)\b\s*['\"(@\d]",
            rb"\bdbms_(?:pipe\s*\.\s*receive_message|lock\s*\.\s*sleep|session\s*\.\s*sleep)\b",
            rb"\b(?:randomblob|zeroblob)\s*\(\s*\d",
            rb"\bgenerate_series\s*\(\s*1\s*,\s*\d{4,}",
            rb"\bregexp_substring\s*\(\s*repeat\b|(?:^|['\")\d])\s*\)*\s*(?:\b(?:or|and|xor)\b|\|\||&&)\s*(?:pg_)?sleep\s*\(",
        ),
        True,
    ),
    Fact(
        "sql.error_call",
        "a call whose error message shows data",
        (
            rb"\b(?:extractvalue|updatexml|xmltype|exp|json_keys|st_latfrompoint|gtid_subset|polygon|multipoint|geometrycollection|linestring|multilinestring|multipolygon|name_const)\s*\(\s*[^)]{0,60}(?:select\b|concat|~|@@|0x|version\b|user\b|database\b|chr\b)",
            rb"\bextractvalue\s*\(\s*[\w'\"(]|\bupdatexml\s*\(\s*[\w'\"(]",
            rb"\bfloor\s*\(\s*rand\s*\(",
            rb"\bconvert\s*\(\s*(?:int|signed|decimal|char)\b[^)]{0,10},?\s*[\(\w@]",
            rb"\bcast\s*\(\s*\(?\s*(?:select\b|0x|chr\b|char\b|@@|\w+\s*\(|version)",
            rb"\b(?:ctxsys\s*\.\s*drithsx\s*\.\s*sn|utl_inaddr\s*\.\s*get_host|dbms_utility\s*\.|ordsys\s*\.\s*ord_dicom|dbms_xmlgen|dbms_xmlquery)",
            rb"\bprocedure\s+analyse\s*\(",
        ),
        True,
    ),
    Fact(
        "sql.schema_table",
        "tables that describe the database",
        (
            rb"\binformation_schema\b",
            rb"\bpg_(?:catalog|tables|user|shadow|database|class|proc|stat_activity|group|roles|authid)\b",
            rb"\bsqlite_(?:master|schema|temp_master)\b",
            rb"\bsys(?:objects|columns|databases|users|tables|logins|processes)\b",
            rb"\bsys\s*\.\s*(?:objects|tables|columns|databases|all_\w+|user\$|sql_logins|schemas|v_\$)",
            rb"\bmysql\s*\.\s*(?:user|db|host|proc|innodb_)",
            rb"\bmaster\s*\.\s*(?:\.\s*|dbo\s*\.\s*)(?:sys|xp_|sp_|spt_)",
            rb"\bfrom\s+(?:sys\s*\.\s*)?(?:all|user|dba)_\w|\b(?:all|user|dba)_(?:tables|tab_columns|tab_privs)\b",
            rb"\bmsys(?:aces|objects|queries|relationships|accessobjects)\b",
            rb"\bsysibm\s*\.",
            rb"\brdb\$",
            rb"\bsyscat\s*\.",
            rb"\bv\$(?:version|database|instance|session|parameter)\b",
            rb"\bselect\b[^;]{0,80}\bfrom\s+dual\b|\bfrom\s+dual\s*(?:--|#|\)|;|where\b|connect\b)",
        ),
        True,
    ),
    Fact(
        "sql.asks_server",
        "asks for version, user or name of the database",
        (
            rb"@@(?:version|hostname|datadir|basedir|servername|global|session|language|spid|microsoftversion|rowcount|identity|max_)",
            rb"\b(?:version|database|schema|current_user|session_user|system_user|user|current_database|sqlite_version|connection_id|user_name|suser_name|suser_sname|db_name|is_srvrolemember|is_member|last_insert_id|row_count|host_name|current_setting|inet_server_addr|pg_read_file|pg_ls_dir|load_extension|quote_ident)\s*\(\s*['\w@]{0,30}\s*\)",
        ),
    ),
    Fact(
        "sql.file_access",
        "reads or writes files through the database",
        (
            rb"\bload_file\s*[\(\[]",
            rb"\binto\s+(?:out|dump)file\b",
            rb"\bload\s+data\s+(?:local\s+)?infile\b",
            rb"\bbulk\s+insert\s+[\w.\[\]]+\s+from\b|\b(?:openrowset|opendatasource|openquery)\s*\(",
            rb"\bcopy\s+[\w(][^;]{0,60}\b(?:from|to)\s+(?:program\s+)?'",
            rb"\b(?:lo_import|lo_export|pg_read_file|pg_ls_dir|utl_file|dbms_lob|pg_read_binary_file)\b",
        ),
        True,
    ),
    Fact(
        "sql.system_call",
        "runs a command or calls out through the database",
        (
            rb"\bxp_(?:cmdshell|reg\w+|dirtree|fileexist|subdirs|servicecontrol|enumgroups|loginconfig|terminate_process|makecab|availablemedia|enumdsn|ntsec)\b",
            rb"\bsp_(?:oa(?:create|method|getproperty)|executesql|makewebtask|addextendedproc|password|addsrvrolemember|configure|addlogin|helptext|who|columns|tables|execute_external_script|send_dbmail|dropextendedproc|start_job|add_job)\b",
            rb"\butl_(?:http|smtp|tcp|inaddr)\b",
            rb"\bhttpuritype\s*\(",
            rb"\bdbms_(?:ldap|scheduler|java|xmlquery|advisor|export_extension)\b",
            rb"\bexec(?:ute)?[\s(]+(?:immediate\b|master\.|sp_|xp_|\(\s*['\"@]|@\w)|\bexec\s*(?:\[|[\s(]+n?['\"](?:xp_|sp_|sel|master|drop|\w+\s+\w+))",
            rb"\bsys_(?:exec|eval)\s*\(",
            rb"\bcreate\s+(?:or\s+replace\s+)?function\b[^;]{0,80}\b(?:language|soname|returns)\b",
            rb"\bload_extension\s*\(",
            rb"\bdblink(?:_connect|_exec)?\s*\(",
        ),
        True,
    ),
    Fact(
        "sql.declares_variable",
        "declares a variable or cursor",
        (
            rb"\bdeclare\s+\w+\s+(?:n?varchar2?|cursor|bigint|sysname)\b",
            rb"\bdeclare\s+@\w",
            rb"\bset\s+@\w+\s*:?=",
        ),
        True,
    ),
    Fact(
        "sql.conditional",
        "branches: IF, CASE WHEN, IIF, DECODE",
        (
            rb"\b(?:if|iif)\s*\(\s*[^()]{0,80}(?:\([^()]{0,80}\)[^()]{0,80}){0,3}[=<>][^,]{0,80},",
            rb"\bcase\s+(?:when\b|\d+\s+when\b|[\w(]{1,20}\s*\)?\s+when\b)",
            rb"\bif\s*\(\s*\(?\s*select\b",
            rb"\b(?:elt|make_set|decode|nvl2?|nullif|ifnull|coalesce)\s*\(\s*[^,)]{0,60}[(=<>]",
            rb"\brlike\s*\(?\s*\(?select\b",
            rb"\bif\s*\(\s*(?:\d+|true|false)\s*[=<>,!]",
        ),
    ),
    Fact(
        "sql.probe_call",
        "cuts a string to guess it letter by letter",
        (
            rb"\b(?:ascii|ord|unicode|hex|bin|length|len|char_length|bit_length|lower|upper|md5|sha1|count|quotename|to_char|rawtohex|conv)\s*\(\s*\(*\s*(?:select\b|substr|mid\b|substring|left\s*\(|right\s*\(|ifnull|cast|database\b|user\b|version\b|@@|lower\s*\(|upper\s*\(|chr\s*\(|char\s*\()",
            rb"\b(?:substr(?:ing)?|mid)\s*\(\s*\(*\s*(?:select\b|@@|\w+\s*\(|\w+\s*,\s*\d+\s*,\s*\d|[\w.]+\s+from\s+\d)",
            rb"\b(?:left|right|lpad|rpad|instr|locate|position|strcmp|find_in_set)\s*\(\s*\(*\s*(?:select\b|@@|database\b|user\b|version\b|\w+\s*,\s*\d+\s*\)\s*[=<>])",
        ),
        True,
    ),
    Fact(
        "sql.builds_string",
        "builds a string from codes or pieces",
        (
            rb"\b(?:n?char|chr|nchr|concat|concat_ws|group_concat|string_agg|listagg|unhex|xmlagg|json_arrayagg|array_to_string|xmlelement|wm_concat)\s*\(\s*(?:\d|0x|'|\"|select\b|@@|\(|\w+\s*\(|[\w.]+\s*,\s*(?:0x|'|char|\w+))",
            rb"\bchr?(?:ar)?\s*\(\s*\d+\s*\)\s*(?:\|\||\+|,)",
            rb"\bgroup_concat\s*\(",
            rb"0x[0-9a-f]{8,}\s*(?:--|#|and\b|as\b|from\b)|,\s*0x[0-9a-f]{6,}\s*,",
        ),
    ),
    Fact(
        "sql.order_by_number",
        "ORDER BY or GROUP BY a column number, or LIMIT with a tail",
        (
            rb"(?:\border|\bgroup)\s+by\s+(?:\d+|'\"?\d+|null|rand\s*\(|\(|if\b|sleep|case\b|extractvalue|updatexml)(?:\s*(?:asc|desc)?\s*(?:,|--|#|;|/\*|$|\)|\(|\s))",
            rb"\blimit\s+\d+\s*(?:,\s*\d+|offset\s+\d+)\s*(?:--|#|;|procedure|union|into|/\*|$)",
            rb"['\")\d]\s*(?:order|group)\s+by\s+[\w.'\"(]",
        ),
    ),
    Fact(
        "sql.having",
        "HAVING or GROUP BY behind a value",
        (
            rb"(?:^|['\")\d\s])having\s+['\"(]*(?:\d+|@?\w+['\")]*\s*[=<>!]|(?:count|sum|min|max|avg)\s*\()",
            rb"\bgroup\s+by\s+[\w.,\s]{1,60}\bhaving\b",
        ),
        True,
    ),
    Fact(
        "sql.comment_as_space",
        "a comment where a space belongs",
        (
            rb"\w/\*[^*]{0,40}\*/\s*\w",
            rb"/\*!\d*\s*\w",
            rb"['\")]/\*[^*]{0,40}\*/",
            rb"--[^\r\n]{0,200}[\r\n]+\s*(?:select|union|and|or|from|all)\b",
            rb"#[^\r\n]{0,200}[\r\n]+\s*(?:select|union|and|or|from|all)\b",
        ),
    ),
    Fact(
        "sql.comment_tail",
        "ends with a comment that cuts the rest of the statement off",
        (
            rb"['\"`)]\s*\)*\s*;?\s*(?:--|\#|/\*|;\s*\x00|;%00|\xe2\x80\x93-)[\s+\-'\"a-z\d]{0,8}$",
            rb"\s['\"(]*[\w=<>.'\"]+\)*\s*;?\s*(?:--|\#|/\*)[\s+-]{0,4}$",
            rb"^-?\d+\s*(?:--(?:[\s+]+-?)?|\#|/\*)\s*$",
            rb"\w\s+--\s*[\w-]{0,8}$",
            rb"\w;\s*(?:--|\#)[\s+-]{0,4}$",
            rb"['\")]\s*--\s",
            rb"['\"`)]\s*\)*\s*;?\s*#\s*$",
        ),
    ),
    Fact(
        "sql.quote_then_logic",
        "closes a quote and goes on with OR, AND, a bracket or an operator",
        (
            rb"['\"`\\]\s*\)*\s*(?:or|and|xor|not|having|where|union|like|rlike|regexp|between|in|is|div|mod|limit|order|group|procedure|into|as|collate|select|exec|if|case|when|sounds|glob|ilike|similar|except|intersect|minus|waitfor|then|else|end)\b",
            rb"['\"`]\s*\)*\s*(?:\|\||&&|<=>|<>|!=|>=|<=)\s*['\"(\w-]",
            rb"['\"]\s*[+*^%&|-]\s*\(",
            rb"['\"]\s*\)+\s*(?:;|--|#|or|and|,)",
            rb"['\"]\s*=\s*['\"0-9(]",
            rb"['\"]\s*[<>]\s*['\"0-9(]",
            rb"^\s*['\"]\s*\+\s*['\"(\w]",
            rb"['\"]\s*\+\s*(?:\(|'|\"|char|chr|n?varchar|convert|cast|user|db_name|@@)",
        ),
    ),
    Fact(
        "sql.number_then_logic",
        "a number followed by OR, AND or another operator and a term",
        (
            rb"(?:^|[\s(=,])-?\d[\d.]*\s*(?:\)+\s*|\s)(?:or|and|xor|\|\||&&|rlike|like|div|mod|having|where|between|in)[\s(!+~-]*(?:\d[\d.]*\s*\)*\s*(?:[=<>!*/|&#;-]|like\b|in\b|is\b|$)|'|\"|\(|not\b|true\b|false\b|null\b|\w+\s*(?:\(|[=<>]|like\b|in\b|is\b|between\b)|exists)",
            rb"^\s*-?\d+\s*\)*\s*(?:union|order|group|procedure|limit|into|where|having)\b\s*[\w(]",
        ),
    ),
    Fact(
        "sql.logic_literal",
        "OR or AND with a constant or call for a condition",
        (
            rb"(?:\b(?:or|and|xor|not)\b|\|\||&&)[\s(!~+-]*(?:\d[\d.]*|0x[0-9a-f]+|true|false|null|'[^']{0,40}'?|\"[^\"]{0,40}\"?)\s*\)*\s*(?:--|#|;|/\*|$)",
            rb"(?:\b(?:or|and|xor)\b|\|\||&&)\s*\(*\s*(?:not\s+)?(?:exists|select|sleep|benchmark|pg_sleep|ascii|ord|substr(?:ing)?|mid|length|len|if|iif|elt|make_set|extractvalue|updatexml|row|char|chr|user|database|version|count|cast|convert|exp|randomblob|like|ctxsys|json_keys|regexp_substring|crypt_key)\s*\(",
            rb"\b(?:or|and|where|having)\s+\w+\s+(?:is\s+(?:not\s+)?null|not\s+in|in\s*\(|like\s+'?[%\w]|rlike\s|regexp\s|between\s+\S+\s+and\s|sounds\s+like)",
            rb"\bor\s+['\"]?\w{0,20}['\"]?\s*like\s*['\"]",
            rb"\bor\s+(?:not\s+)?\(?\d+\s*=\s*\d+",
            rb"\bor\s+\w+\s*[<>=]+\s*(?:\w+|'[^']*)\s*(?:--|#|$)",
            rb"^\s*(?:or|and)\s+(?:true|false|\w+\s*=\s*\w+)\s*(?:--|#|;|$)",
        ),
    ),
    Fact(
        "sql.quoted_condition",
        "closes a quote, then OR or AND with a condition on literals or calls",
        (
            rb"['\"]\s*\)*\s*(?:/\*[^*]{0,40}\*/)?(?:or\b|and\b|xor\b|\|\||&&)(?:\s|/\*[^*]{0,40}\*/|[(!~+-])*['\"][^'\"]{0,40}(?:['\"]\s*(?:[=<>]|!=|like\b|is\b|in\b|between\b|rlike\b|regexp\b)|[=<>])",
            rb"['\"][\s)+]*(?:or\b|and\b|xor\b|\|\||&&)[\s(!~+-]*(?:\d[\d.]*|true|false|null|0x[0-9a-f]+)\s*\)*\s*(?:[=<>!*/+|&-]|like\b|is\b|in\b|between\b|(?:and|or)\b|--|#|$)",
            rb"['\"\d)]\s*\)*\s*(?:or\b|and\b|xor\b|\|\||&&)[^;]{0,100}(?:['\")\w]\s*(?:@>|<@|->>?)\s*['\"$]|['\"]\s*::\s*jsonb?\b|\b(?:is_?json|jsonb?_\w{3,24})\s*\()",
            rb"['\"]\s*\)*\s*(?:or|and|xor|having|where)\b[\s(!~+-]*(?:\w+\s*\([^)]{0,60}\)+\s*[=<>!]|@@?\w+\s*[=<>!]|[\w.`]{1,40}\s*(?:=|<>|!=|<=|>=|like\b|rlike\b|regexp\b|in\s*\()\s*['\"\d(@-]|[\w.`]{1,40}\s+is\s+(?:not\s+)?null\b|exists\s*\(|\(?\s*select\b)",
            rb"['\"]\s*\)*\s*(?:or\b|and\b|xor\b|\|\||&&|\^|div\b|mod\b)\s*[-+~!@(\w.\s]{1,30}\s*(?:rlike|regexp|like|is|[=<>!*/+-])\s*[!(~-]*['\"]",
        ),
        True,
    ),
    Fact(
        "sql.whole_statement",
        "a whole SELECT with FROM, or a statement of rights",
        (
            rb"^\s*\(*\s*select\b[\s(]+(?:\*|@@\w|[-'\"\w(`.][^;]{0,120}?)\s*\bfrom\s+[\w`\"\[(.]{1,60}(?:\s*(?:where\b|limit\b|order\b|group\b|join\b|union\b|;|--|#|\)|,|$))",
            rb"^\s*\(*\s*select\s+(?:@@\w+|(?:user|version|database|current_user|sleep|benchmark|load_file|char|concat|if)\b\s*(?:\(|;|$))",
            rb"\bgrant\s+[\w,\s]{2,60}\b(?:to|on)\s+\w+|\bselect\s+case\s+when\b",
            rb"(?:^|['\")\s])(?:make_set|elt|iif|if)\s*\(\s*\d+\s*=\s*\d+\s*,",
            rb"\bprocedure\s+analyse\s*\(|\bselect\s*\\?\$?\.?`",
        ),
    ),
    Fact(
        "sql.ends_statement",
        "closes a quote or number, then ends, sorts or breaks the statement",
        (
            rb"^[\w.@-]{0,30}['\"]\s*\)*\s*;?\s*(?:--|\#|/\*)[\s+*/-]{0,4}$",
            rb"^\s*-?\d+\s*['\")]*\s*(?:order|group)\s+by\s+\d+(?:\s*,\s*\d+)*\s*(?:--|\#|;|/\*|$)",
            rb"^['\"]\s*[&^*+|/%=-]{1,2}\s*['\"]\d*$",
            rb"^\w{0,20}['\"]\s*[-+*/|^&%]{1,2}\s*\d[\w.]{0,20}\s*[-+*/|^&%]{1,2}\s*['\"]\w{0,20}$",
            rb"^(?:\w{1,20}['\"]\s*(?:or|and|xor|&&)\s*['\"]\w{0,20}|\w{0,20}['\"]\s*(?:or|and|xor|&&)\s*['\"]\w{1,20})$",
            rb"^[\w`.]{1,40};\s*--[\s+-]{0,4}$|\$\w{0,20}\$[^$]{0,40}\$\w{0,20}\$\s*=\s*\$\w{0,20}\$",
            rb"^\s*\(?\s*@@(?:version|hostname|datadir|basedir|servername|language|spid|global\.\w+)\s*\)?\s*(?:--|\#|;)?\s*$",
            rb"^\s*['\"]?-?\d+['\")]*\s+(?:or|and|xor)\s+(?:not\s+)?\w{2,20}\s*\([^()]{0,20}\)\s*[<>=]{1,2}\s*\d|^\s*-?\d+\s+in\s*\(\s*\d+\s*\)\s*(?:or|and)\b",
            rb"\b(?:offset|limit)\s*\(\s*select\b",
            rb"['\"]\s*\)*\s*(?:\b(?:or|and)\b|\|\||&&|[|&^])\s*['\"]{2}\s*[&^*+=|<>-]",
            rb"['\"]\s*[|&^]\s*\d+\s*=\s*\d|\b(?:or|and)\s+not\s+(?:true|false|null)\b\s*(?:--|\#|;|$|\))|^\s*-?\d+\s+between\s+\d+\s+and\s+\d+\s*(?:--|\#|;)",
            rb"['\"]\s*\)*\s*;?\s*(?:delete\s+from|drop\s+(?:table|database)|insert\s+into|truncate\s+table)\s+[\w`\"\[.]|['\"]\s*\)*\s*;?\s*update\s+[\w`.]+\s+set\s+\w",
            rb"^[^'\"\n]{0,40}['\"]\s*\|\|\s*['\"]|;\s*iif\s*\(\s*\d+\s*[=<>]",
            rb"['\")\d]\s*;\s*shutdown\s*(?:--|;|\#|$|with\b)",
            rb"\bcase\s+when\b[^;]{1,120}\bthen\b[^;]{1,80}\bend\b",
            rb"^\s*-?\w{0,20}(?:['\")]+\s*|\s+)(?:\b(?:and|or|xor)\b|\|\||&&)[\s(]*\d{2,}\s*(?:[=<>]|!=|<>|(?:not\s+)?(?:like|in|regexp|rlike)\b)[\s(]*\d{2,}\s*\)*\s*(?:--|\#|;|/\*|\*|(?:and|or)\b|$)",
            rb"^\s*-?\w{0,20}['\")]*[\s'\")](?:\b(?:and|or|xor)\b|\|\||&&)[\s(]*\d+\s*(?:[=<>]|!=|<>)[\s(]*\d+\s*\)*\s*(?:--|\#|;|/\*)",
            rb"^[\w .@-]{0,40}['\"]\s*\)*\s*(?:order|group)\s+by\s+\d+\s*(?:--|\#|;|/\*|,|$)",
            rb"^[\w.@-]{1,30}['\"]\s*(?:or|and)\s*['\"]$|^['\"]\s+(?:or|and|xor)\s+['\"]$|^\w{0,20}['\"]\s*(?:<<|>>|<=>|!=|[-+*/|^&%]{1,2})\s*[-+!~(]{0,4}['\"]\w{0,20}$|^\w{0,20}['\"]\s*(?:<<|>>|[-+*/|^&%]{1,2})\s*[-+!~(]{0,4}@?\w{1,20}\)*\s*(?:[=<>]{1,3}|!=|(?:is|in|r?like|regexp)\b)\s*[-+!~(]{0,4}['\"]\w{0,20}$",
            rb"^\w{0,20}['\"]\s*(?:<<|>>|[-+*/|^&%]{1,2})\s*[-+!~(]{0,4}[\w()@=<>!+*/-]{0,40}(?:\w\s*--[\s+-]{0,3}|[\d)]\s*(?:--[\s+-]{0,3}|\#))$",
            rb"^[\w .@-]{0,40}['\"]\s*(?:,\s*(?:['\"\d(]|null\b|\w{1,30}\s*=)[^\n]{0,80}(?:--|\#|/\*)[\s+-]{0,4}$|\)\s*,\s*\(\s*['\"\d])",
            rb"(?:^|['\")\d\s])\s*(?:\b(?:or|and|xor)\b|\|\||&&)\s*\(?(?:" + _ITSELF + rb")\)*\s*(?:--|\#|;|/\*|$)",
            rb"^\s*(?:or|and|xor)\s+\(*\d+\s*(?:[=<>]|!=|<>)\s*\d+\)*\s*(?:--|\#|;|/\*|$)",
            rb"['\")\d]\s*;\s*merge\s+into\s+\w",
            rb"^\s*-?\w{0,20}(?:['\")]+\s*|\s+)(?:\b(?:and|or|xor)\b|\|\||&&)[\s(]*\d+\s*(?:not\s+)?between[\s(]+\d+\s*\)*\s*and[\s(]+\d+\s*\)*\s*(?:--|\#|;|/\*|(?:and|or)\b|$)",
            rb"^\s*\(?-?\d+['\")]*\s*(?:(?:or|and|xor)\b|&&|\|\|)\s*(?:\(*\d+\)*\s*(?:[<>]=?|<>|!=)\s*\(*\d+|\(\d+\)\s*=\s*\(\d+|\(*(?:true|not\s+(?:false|null)))\)*\s*$|^\s*-?\d+['\")]*\s+(?:rlike\s+\S|xor\s+\d+\s*=\s*\d)|^[\w.,]{0,40}\*\s+from\s+[\w.]{1,40}\s*(?:--|\#|;)|^\s*-?\d+\s+is\s+(?:not\s+)?null\s*$",
            rb"^\s*-?\d+['\")]*\s+(?:or|and)\s+(?:rownum|user|current_user|session_user|system_user)\s*(?:[=<>]|!=|(?:like|in|is)\b)",
            rb"^\s*-?\d+\s*[-+*/%|&^]\s*\(+\s*select\b|^\s*-?\d+['\")]*\s+into\s+@\w+\s*,\s*@\w",
            rb"^\s*-?\d+['\")]*\s+(?:and|or|xor)[\s(]*\d+(?:\s*[-+*/%]\s*\d+){1,4}\s*\)*\s*(?:[=<>]{1,2}|!=)[\s(]*-?\d|^\s*-?[\w.@]{1,30}['\")]*\s+(?:and|or|xor)\s+\(?\d+(?:=|<>|!=)\d+\)*\s*$|^[-\w.@()*+/~]{1,40}['\")]*\s+(?:and|or|xor)\s+[-+~!(]{0,4}\d+\)*(?:=|<>|!=)[-+~!(]{0,4}\d+\)*\s*$",
            rb"^\s*-?\d+['\")]*\s+(?:and|or|xor)\s+(?:not\s+)?(?:@@\w+|[a-z_]\w{1,30}\s*\((?:\s*|\s*['\"]?[-\w.]{0,20}['\"]?(?:\s*,\s*['\"]?[-\w.]{0,20}['\"]?){1,4})\))\s*(?:$|--|\#)",
            rb"^\s*-?\d+['\")]*\s+(?:and|or|xor)\s+(?:not\s+)?[a-z_]\w{1,30}\s*\(\s*(?:['\"][^'\"]{0,20}['\"]|[a-z_]\w{1,30}\s*\()",
            rb"^[\w.@-]{0,30}['\"]\s*\)*\s*(?:collate|limit|offset|order|group|having|union|where|for|into)\b[\w\s.,()']{0,40}(?:--|\#|/\*)[\s+-]{0,4}$",
            rb"(?:^-?\d+\s*[-+*/^|&%]\s*|['\"]\s*[-+*/^|&%,]{1,2}\s*)\(?\s*i?if\s*\(\s*\(*\s*(?:\d+|'[^']{0,20}')\s*[=<>]{1,2}\s*(?:\d+|'[^']{0,20}')",
            rb"['\"]\s*(?:<<|>>|[-+*/%&|^])\s*[-+!~(]*\s*\d+(?:\s*[-+*/]\s*\d+)?\s*\)*\s*(?:<=>|!=|<>|=)\s*[-+!~(]*['\"]\w{0,20}$",
            rb"['\"]\s*\)*\s*;\s*[a-z]{3,12}(?:\s+[\w.]{1,30}){0,3}\s*;?\s*--[\s+-]{0,4}$",
            rb"^\w{1,30}[`\]\"]\s+from\s+[\w.`\"\[\]]{1,60}\s*(?:\#|--|;|(?:where|limit|union)\b)|^/[^'\"\n]{0,80}\w['\"]\)*--(?:/|$)",
            rb"\(\s*\d+\s*=\s*\d+\s*\)\s*\*\s*\d|[)'\"\d]\s*[-+*/|&]*\s*(?:pg_)?sleep\s*\(\s*\d+\s*$|['\"]\s*[|&^*/%]\s*\d+\s*(?:\#|--)\s*-?\s*$",
            rb"^\s*-?1['\")]*\s+(?:(?:or|and|xor)\s+['\"(]*1|and\s+['\"(]*0)['\")]*\s*$|^(?:\w{0,20}['\")]|-?\d+)?\s*(?:\|\||&&)\s*['\"(]*\d{1,3}['\")]*$|^['\"]\s*['\"]\s*=\s*['\"]?\s*$|^\d{0,6}['\"]\s+-?\d+\s+['\"]$",
            rb"^\s*(?:version|database|user|current_user|current_database|sqlite_version|system_user|session_user|schema|connection_id)\s*\(\s*\)\s*$|^\s*-?\d+\s+(?:rlike|regexp|like)\s+\d+\s*$|^-?\d+['\")]*(?:\s+--|--[\s+]+-?|/\*)\s*$",
        ),
        True,
    ),
    Fact(
        "sql.continues",
        "a value that goes on, from its beginning, as only a statement does",
        (
            rb"^\s*-?\d+['\")]*\s+(?:or|and|xor)\s+(?:not\s+)?[a-z_`@][\w.@`]{0,40}\s*(?:[=<>]{1,2}|!=)\s*(?:-?\d+|['\"@`(][^\s]{0,40}|null|true|false)\s*(?:(?:--|\#|;|/\*)|$)",
            rb"^\s*\(+\s*select[\s(]+(?:\w{2,30}\s*\(|\d|\*|@@|'|null\b|\w{1,30}\s+from\s)",
            rb"^[\w.@]{0,30}['\"]\s*(?:\|\||[-+*/^&|%])\s*\(*\s*(?:select\b|(?:case|if|sleep|user|version|database|chr|char|concat|substr\w*|ascii|length|hex|md5|cast|convert|extractvalue|updatexml|load_file)\s*[(\s])",
            rb"['\")\d]\s*::\s*(?:int\d?|integer|bigint|text|varchar|numeric|float\d?|regclass|jsonb?|bool(?:ean)?|bytea)\b",
            rb"['\"\d)]\s*(?:\b(?:or|and|xor)\b|\|\||&&|[=<>])\s*(?:u&|q|nq|n|x|b|e|_utf8\w{0,3}|_latin1|_binary)'",
            rb"^[\w.`]{1,40}(?:\s+(?:asc|desc))?\s*,\s*\(?\s*(?:select\s|case\s+when\b|(?:if|iif|sleep|updatexml|extractvalue|benchmark|pg_sleep|ascii|substr\w*|user|version|database|current_user|system_user|load_file|db_name|sqlite_version)\s*\()",
            rb"^-?\d+['\")]*\s+(?:offset\s+\d+\s+rows?|fetch\s+(?:next|first)\s+\d)\b|^[\w.'\")=]{1,20};\s*(?:select\s+(?:\d|\*|@|'|\w{2,30}\s*\(|[\w., ]{1,60}\sfrom\s)|insert\s+(?:ignore\s+|delayed\s+)?into\s+\w|update\s+\w+\s+set\s+\w+\s*=|delete\s+(?:ignore\s+|quick\s+|low_priority\s+){0,2}from\s+\w|load\s+(?:data|xml)\s|drop\s+(?:table|database|view|user|schema|index|function)\s|truncate\s+(?:table\s+)?\w|alter\s+(?:table|user|login|role)\s|create\s+(?:table|user|login|role|function|database)\s|declare\s+[@\w]|exec(?:ute)?\s+[\w.@]|call\s+\w+\s*\(|grant\s+\w+\s|vacuum\s+into|attach\s+database|pragma\s+\w|reset\s+\w+\s*$|handler\s+\w+\s+open|prepare\s+\w+\s+from)",
            rb"^[\w.@-]{0,30}['\"]\s*\)*\s*(?:is\s+(?:not\s+)?(?:null|true|false)\b|(?:not\s+)?in\s*\(\s*(?:select\b|['\"\d])|(?:not\s+)?between\s+['\"\d])|^[\w.@-]{0,30}['\"](?:\s+|\s*\)+\s*)(?:not\s+)?(?:r?like|ilike|regexp|glob|similar\s+to|sounds\s+like)\s*(?:binary\s*)?['\"(]",
            rb"^-?\d+\s*(?:&&|\|\|)\s*(?:[a-z_]\w{1,30}\s*\(|\d+\s*[=<>])",
            rb"^\s*-?\d+['\")]*\s*(?:\b(?:or|and|xor)\b|\|\||&&)\s*(?:not\s+)?(?:\(*[\w.`]{1,40}\)*\s+(?:is\s+(?:not\s+)?null|(?:not\s+)?in\s*\(\s*['\"\d][^()]{0,60}\)|(?:not\s+)?(?:like|rlike|regexp|ilike|glob)\s+['\"(][^\s]{0,40})|0[xb][0-9a-f]{1,20}|false|\([\w.`]{1,40}\)\s*[=<>]{1,2}\s*\([\w.`]{1,40}\))\s*(?:$|--|\#|;|/\*)|^\s*-?\d+['\")]*\s+(?:or|and|xor)\s+(?:not\s+)?(?:isnull|nullif|ifnull|coalesce|nvl2?|ascii|ord|char_length|substr\w*|mid|hex|unhex|md5|sha1|crc32|concat|current_\w{4,20})\s*\(",
            rb"^(?:-?\d{1,20}['\")]*|[\w.]{0,20}['\")]+)\s*;\s*(?:set\s+(?:global|session|local|role|password|names|persist|transaction|search_path)\b|set\s+@|flush\s+(?:tables|privileges|logs|hosts|status)\b|(?:lock|optimize|repair|rename|check|analyze)\s+tables?\s+\w|show\s+(?:tables|databases|grants|variables|processlist|columns|full)\b|start\s+transaction\b|comment\s+on\s+(?:table|column|database)\b|table\s+\w+\s*(?:--|\#)|values\s*\(\s*['\"\d]|backup\s+(?:database|log)\s|dbcc\s+\w|raiserror\s*\(|kill\s+(?:query\s+|connection\s+)?\d+\s*(?:--|\#|;|$)|create\s+extension\b|replace\s+into\s+\w+\s*(?:values|\()|begin\s+null\s*;|select\s+(?:current_user|session_user|user)\s*(?:--|\#|;|$)|explain\s+(?:analyze\s+)?select\b|with\s+\w+\s+as\s*\(|while\s+\d\s*=|do\s+sleep\b)",
            rb"^(?:[\w.]{1,30}\)|[\w.]{0,30}\*|[\w.*]{1,30},[\w.*,]{1,60})\s+from\s+[\w.`\[\]\"]{1,60}\s*(?:--|\#|;)[\s+-]{0,4}$|^\s*n?char\s*\(\s*\d{2,3}(?:\s*,\s*\d{2,3})+\s*\)|^-?\d+\)+\s*(?:--|/\*)[\s+-]{0,4}$",
            rb"^\s*-?\d+\s*[-+*/]\s*(?:len|length|ascii|ord|char_length|octet_length|bit_length)\s*\(\s*['\"\d]",
            rb"^-?\d+(?:e\d*|\.)?\s*(?:or|and|xor)\s*\(\s*\d|^(?:char|chr|0x[0-9a-f]+|ascii|hex)\s*\(?\d*\)?\s*(?:or|and)\b[\s(]*\d",
        ),
        True,
    ),
    Fact("sql.lone_quote", "a number with a quote behind it, as one tries for errors", (rb"^-?\d{1,10}'{1,2}\)*$",)),
    Fact(
        "sql.where_clause",
        "a WHERE with a comparison of literals",
        (
            rb"\bwhere\s+\(*(?:\d+|'[^']{0,40}'|\"[^\"]{0,40}\")\s*(?:=|<|>|like)\s*\(?\s*['\"\d(s]",
            rb"\bas\s+\w+\s+where\s+\w",
            rb"\bwhere\s+[\w.`]+\s*(?:=|like|<|>|in|is)\s*\(?['\"\d@(]",
            rb"\bfrom\s+[\w.`]+\s+where\b",
        ),
    ),
    Fact("sql.tautology", "compares constants that are known to be equal, behind OR, AND or a quote", (), True),
    Fact("sql.constant_comparison", "compares two constants behind a logical operator"),
    Fact("sql.fingerprint", "reads like an SQL fragment by libinjection's grammar"),
)
