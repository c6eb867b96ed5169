"""Traces of tools: user agents of scanners, paths only scanners ask for."""

from __future__ import annotations

from .fact import Fact

TOOLS = rb"\b(?:sqlmap|nikto|nuclei|acunetix|netsparker|w3af|dirbuster|gobuster|ffuf|feroxbuster|wfuzz|wpscan|nessus|openvas|masscan|zgrab|zmap|nmap scripting|havij|arachni|skipfish|whatweb|commix|xsstrike|dalfox|burp\s?suite|burpcollaborator|jaeles|vega/1|webinspect|appscan|qualys|fimap|joomscan|morfeus|zmeu|muieblackcat|l9explore|l9tcpid|jorgee|thc-hydra|sqlninja|brutus|bsqlbf|pangolin|cgichk|dotdotpwn|webshag|n-stealth|blackwidow|fuzz faster u fool|interactsh|detectify|xenotix|owasp zap|zaproxy|gitrob|trufflehog|httprobe|aquatone|subfinder|dirsearch|xsser|patator|sqlsus|wapiti|golismero|wafw00f|xray|rustscan|tplmap|nosqlmap|crlfuzz|kiterunner|hakrawler|katana|paros|testssl(?:\.sh)?|invicti|droopescan|idbte4m|gh0st|projectdiscovery|censysinspect|internet-measurement|internetmeasurement|sslyze|medusa|hydra|jbrofuzz|absinthe|grendel-scan)\b"
"""What attack tools call themselves."""

FACTS = (
    Fact(
        "scanner.user_agent",
        "names an attack tool",
        (
            TOOLS,
            rb"^expanse, a palo alto|\bnmap\b",
        ),
        True,
    ),
    Fact(
        "scanner.probe_path",
        "a path that only scanners ask for",
        (
            rb"/(?:phpmyadmin|pma|myadmin|mysqladmin|adminer|eval-stdin|vendor/phpunit|xmlrpc|wlwmanifest|wp-login\.php|wp-json/wp/v\d/users|administrator/|swagger|api-docs|console|wp-config|server-status|server-info|cgi-bin/|fckeditor|setup-config|manager/html|jmx-console|web-console|invoker/|solr/admin|actuator/|struts|hnap1|boaform|goform|gponform|setup\.cgi|currentsetting|\.well-known/security|druid/|nacos/|_ignition/|telescope/|owa/auth|autodiscover|ecp/|remote/fgt_lang|dana-na|\+cscoe\+|tmui/|vpn/\.\.|mgmt/tm|jenkins/script|debug/pprof|_cat/indices|_search|_all_dbs|v2/_catalog|elfinder|kcfinder|filemanager/connectors|ckfinder|webdav|sftp-config|trace\.axd|elmah\.axd|phpunit|(?:phpinfo|info|test|shell|cmd|c99|r57|wso|lfm|up|alfa|mini|x|radio|1|a|pi|i|p|php|php_info|infophp|old_phpinfo|db|sql|adminer-\d[\d.]*)\.php|wp-file-manager)(?:\.php|\.aspx?|\.jsp)?(?:/|\?|$)",
            rb"/(?:actuator|heapdump|jolokia|graphiql)(?:$|/)",
            rb"/eval-stdin\.php|/phpunit/|/think\\?app|invokefunction|/\?s=/?index/\\?think",
            rb"/cgi-bin/[\w./-]+\.(?:cgi|pl|sh|bat|exe|asp)",
            rb"/_vti_bin/(?:$|_vti_(?:aut|adm)/|[\w.-]{1,40}\.(?:exe|dll)\b)|/(?:_vti_pvt|iisadmpwd|msadc|iissamples|_mem_bin)/",
            rb"/(?:backup|dump|database|db|site|www|old|archive|data|sql)\.(?:zip|tar|tar\.gz|tgz|rar|sql|7z|gz|bak)\b",
        ),
    ),
    Fact(
        "scanner.probe_secret",
        "asks for a file that holds secrets or runs code, and that no page links to",
        (
            rb"/\.(?:git|svn|hg|bzr)/|/\.(?:env|aws|ssh|docker|npmrc|htpasswd|htaccess|ds_store|bash_history|vscode/|idea/|gitlab-ci|kube/)|/wp-config\.|/wp-config-",
            rb"/\w{0,20}(?:php_?info|infophp)\.php|connector\.minimal\.php|\.(?:sql|dump|bak)\.(?:gz|zip|bz2|xz|7z|tgz|zst|tar)$",
            rb"/(?:php_?info|infophp|eval-stdin|adminer[-\d.]*|shell|cmd|c99|r57|wso|alfa|webshell|phpunit)\.(?:php|jsp|aspx?)",
            rb"/(?:docker-compose\.ya?ml|dockerfile|composer\.(?:lock|json)|package-lock\.json|package\.json|yarn\.lock|sftp-config\.json|secrets?\.(?:ya?ml|json)|(?:error|access|debug|laravel|production|development)[_.-]?log|id_(?:rsa|dsa|ed25519))$|/config/(?:database|secrets|master|credentials)\.(?:ya?ml|key|json)|/storage/logs/|/wp-content/debug\.log",
            rb"/wp-admin/(?:install|setup-config|upgrade|maint/repair)\.php|/_profiler(?:/|$)|/cgi-bin/(?:luci|nph-|test|printenv|php|bash|sh\b|env|info|status|admin|\.)|/console/login/|/h2-console|/hudson/script|/mifs/|/evox/about|/nmaplowercheck|/doenterpagevariables|/actuator/?$|/jolokia|/portal/redlion|/nice ports,",
            rb"/server-(?:status|info)(?:$|/)|/(?:actuator|jolokia|management)/(?:env|heapdump|jolokia|gateway|mappings|trace|loggers|list|exec|read)|/heapdump$|/_ignition/|/telescope/requests|/debug/pprof|/trace\.axd|/elmah\.axd|/web\.config",
            rb"/hnap1|/boaform|/goform/|/gponform|/currentsetting\.htm|/setup\.cgi|/\+cscoe\+|/remote/fgt_lang|/dana-na/|/tmui/|/mgmt/tm/|/solr/(?:admin|\w+/(?:dataimport|config))|/manager/html|/jmx-console|/web-console/|/invoker/|/struts|/jenkins/script|/_all_dbs|/_cat/indices|/v2/_catalog|/druid/|/nacos/v1|/wls-wsat|/_async/|/console/portal|/cgi-bin/\.|/vendor/phpunit|/elfinder/connectors|/kcfinder/",
            rb"/_vti_bin/(?:$|_vti_(?:aut|adm)/|[\w.-]{1,40}\.(?:exe|dll)\b)|/(?:_vti_pvt|_vti_cnf|_cti_pvt|iisadmpwd|msadc|iissamples|_mem_bin)/|/(?:admin\d?|agentrunner|alog|bookmarks?|busytime|catalog|certa|certlog|certsrv|chatlog|clbusy|cldbdir|clusta4|collect4|cpa|da|dba4|decsadm|doladmin|domadmin|domcfg|domlog|dspug|events\d?|groups?|homepage|lccon|ldap|leiadm|leilog|leivlt|loga?4?a?|mab|mtabbak|mtatbls|mtstore|names|nntppost|notes|ntsync\d\d?|perweb|qpadmin|qstart|reports|schema50|setup|setupweb|smbcfg|smconf|smency|smhelp|smmsg|smquar|smsolar|smtime|smtp\w{0,6}|smvlog|srvnam|statmail|statrep|st(?:auth[st]|conf|config|dnaset|domino|log|reg|src)|userreg|users?|vpuserinfo|webadmin|wksinst)\.nsf(?:$|/)|/config\.(?:inc|bak|old|yml~)|/(?:\w+)\.(?:pwd|pwl|mdb|kdbx|cnf|asa|bas|htr|idq|ida|printer|stm)$",
            rb"^/+(?:backup|dump|database|db|site|www|wwwroot|old|archive|data|sql|web|home|users?)\.(?:zip|tar|tar\.gz|tgz|rar|sql|7z|gz|bak|sql\.gz)$",
            rb"\.(?:php|jsp|asp|aspx|inc|html?|conf|config|cgi)(?:\.(?:bak|old|orig|save|swp|txt|backup|copy)|~|\.~\d*)$|/~$|/[\w-]+~$",
            rb"\.(?:bak|old|orig|save|swp|swo|inc|mdb|backup|copy|sql|dump)~?$|\.\w{2,5}~\d*$",
            rb"\.(?:gif|jpg|png|jsp|html?)/(?:\.java|\.jsp|[\w-]*~)$|/\.(?:java|jsp)$",
            rb"/\.(?:git-credentials|gitconfig|gitignore|gitmodules|s3cfg|boto|bashrc|bash_profile|profile|zshrc|(?:zsh|psql|mysql|sqlite|rediscli|python|node_repl)_history|viminfo|netrc|pgpass|my\.cnf|dockercfg|ftpconfig|ftppass|remote-sync\.json|htdigest|msmtprc|vault-token|cvspass)(?:$|[.~])|/\.(?:azure|config/(?:gcloud|gh|rclone)|terraform|circleci|github/workflows|gnupg)/",
            rb"/(?:appsettings(?:\.\w{1,20})?|credentials|client_secrets?|service[_-]?account(?:[_-]?key)?|gcp-key)\.json$|/(?:parameters|application|bootstrap|serverless|database)(?:[-_](?:prod|production|dev|local|test|staging))?\.(?:ya?ml|properties)$|/app/etc/(?:local|env)\.(?:xml|php)|/terraform\.tfstate|\.tfvars$|/jenkinsfile$",
            rb"\.(?:jks|keystore|ppk|pfx|p12)$|/(?:priv\w*|server|ssl|tls|host|master|localhost|domain)[\w-]{0,20}\.(?:key|pem)$|/wallet\.dat$|/(?:database|db|users?|data|app|main|production|development)\.(?:db|sqlite3?)$|/(?:passwords?|passwd|credentials)\.(?:txt|csv|xlsx?|log|lst|dat)$",
            rb"^/(?:gemfile(?:\.lock)?|pipfile(?:\.lock)?|requirements\.txt|go\.(?:mod|sum)|manage\.py|wsgi\.py|(?:local_)?settings\.py|thumbs\.db|desktop\.ini|ftpsync\.settings|php_?info|nginx_status|debug/vars|app_dev\.php.{0,60}|_cluster/(?:health|settings|state)|api/v1/(?:pods|nodes|secrets|namespaces))$|/cvs/(?:root|entries)$|/nbproject/|/_debugbar/|/horizon/api/|/host-manager/html|/global-protect/login",
        ),
        True,
    ),
    Fact(
        "scanner.probe_word",
        "a marker that scanning tools write",
        (
            rb"\b(?:burpcollaborator|interactsh?|oastify|crlfinjection|injectx|wvs_test|acunetix_\w+|arachni_\w+|xssposed)\b",
            rb"^php[be][0-9a-f]{7}-[0-9a-f]{4}-11d[23]-",  # PHP's easter eggs, which tell its version
        ),
        True,
    ),
)
