"""The page by which people get the certificate to trust, with words for each platform; served by the proxy itself."""

from __future__ import annotations

from bascule.http.answers import HTML
from bascule.http.pages import frame
from bascule.tls.authority import Authority

Page = tuple[bytes, bytes]
"""Type and content."""

_CONTENT = """<h1>Certificate of this proxy</h1>
<p>Whoever runs this proxy opens encrypted connections of some sites, to look for what is not allowed here. <b>What you
read and write on those sites can then be seen by them, passwords included.</b> Your device asks whether you agree:
until you install the certificate below, it warns of such connections. Install it only on devices that belong to, or
work for, who runs this proxy, and only if this fingerprint is the one that they gave you by another way:</p>
<p><code>SHA-256 {fingerprint}</code><br>valid until {until}</p>
<p><a href="/ca.cer">Certificate for Windows, Android, iPhone and Mac</a> ·
<a href="/ca.pem">for Linux, Firefox and programs (PEM)</a></p>
<dl>
<dt>Windows</dt><dd>Open the file, choose <i>Install Certificate</i>, <i>Local Machine</i>, and place it into
<i>Trusted Root Certification Authorities</i>.</dd>
<dt>macOS</dt><dd>Open the file, add it to the keychain <i>System</i>, open it there, and set <i>Trust</i> to
<i>Always Trust</i> for SSL.</dd>
<dt>iPhone, iPad</dt><dd>Download it with Safari, install it in <i>Settings</i>, <i>General</i>, <i>VPN &amp; Device
Management</i>, then switch it on in <i>General</i>, <i>About</i>, <i>Certificate Trust Settings</i>.</dd>
<dt>Android</dt><dd><i>Settings</i>, <i>Security</i>, <i>Encryption &amp; credentials</i>, <i>Install a certificate</i>,
<i>CA certificate</i>. Browsers take it; most other apps do not.</dd>
<dt>Debian, Ubuntu</dt><dd>Copy ca.pem to <code>/usr/local/share/ca-certificates/bascule.crt</code>, then
<code>update-ca-certificates</code>. Fedora: to <code>/etc/pki/ca-trust/source/anchors/</code>, then
<code>update-ca-trust</code>.</dd>
<dt>Firefox</dt><dd><i>Settings</i>, <i>Privacy &amp; Security</i>, <i>View Certificates</i>, <i>Authorities</i>,
<i>Import</i>, and trust it for websites.</dd>
<dt>Chromium on Linux</dt><dd><code>certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n bascule -i ca.pem</code></dd>
<dt>Programs</dt><dd><code>curl --cacert ca.pem</code>, <code>REQUESTS_CA_BUNDLE</code>,
<code>NODE_EXTRA_CA_CERTS</code>, <code>git config http.sslCAInfo</code>, <code>pip --cert</code>.</dd>
</dl>
<p>To take it back, remove it at the same place.</p>"""


def pages(authority: Authority) -> dict[bytes, Page]:
    """Return the page and the files, by path."""
    until = f"{authority.certificate.not_valid_after_utc:%Y-%m-%d}"
    page = frame("Certificate of this proxy", _CONTENT.format(fingerprint=authority.fingerprint, until=until)).encode()
    return {
        b"/ca": (HTML, page),
        b"/ca.pem": (b"application/x-pem-file", authority.pem),
        b"/ca.cer": (b"application/x-x509-ca-cert", authority.der),
    }
