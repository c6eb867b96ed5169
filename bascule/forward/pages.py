"""What the forward proxy's own answers say: in plain words why something is not reached, and what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bascule.telemetry import causes

if TYPE_CHECKING:
    from bascule.config.forward import Rule
    from bascule.forward.policy import Access

STATUS: Final = {
    causes.EGRESS_PRIVATE: 403,
    causes.EGRESS_LOOP: 508,  # RFC 5842 7.2
    causes.DNS_FAILED: 502,
    causes.CONNECT_FAILED: 502,
    causes.CONNECT_TIMEOUT: 504,
    causes.ORIGIN_TLS: 502,
}
"""With which status a client is told that there is no connection."""
_ADVICE: Final = {
    causes.EGRESS_CLIENT: "This proxy is not for clients of your network.",
    causes.EGRESS_PRIVATE: "{host} is at a private or reserved address, which this proxy does not reach.",
    causes.EGRESS_PORT: "Port {port} is not one that this proxy reaches.",
    causes.EGRESS_LOOP: "The way to {host} leads back to this proxy. Check the proxy settings.",
    causes.FORGED_NAME: "The address that was called is not one of the site that was asked for.",
    causes.QUOTA_USED: "What you may use of this proxy is used up for now.",
    causes.QUOTA_CONNECTIONS: "You have more connections open at a time than this proxy allows. Close some, and retry.",
    causes.PARENT_REFUSED: "The proxy beyond this one did not open the way to {host}.",
    causes.PARENT_AUTHENTICATION: "The proxy beyond this one does not accept its name and password.",
    causes.DNS_FAILED: "There is no address for {host}. Check the name for typing errors.",
    causes.CONNECT_FAILED: "{host} does not take connections at port {port}. It may be down; try again later.",
    causes.CONNECT_TIMEOUT: "{host} does not answer at port {port}. It may be down, or a firewall is in between.",
    causes.ORIGIN_TLS: "{host} could not prove who it is: its certificate is not valid for it, or has expired.",
    causes.ORIGIN_RESET: "{host} ended the connection without an answer. Try again in a moment.",
    causes.ORIGIN_TIMEOUT: "{host} took too long to answer. Try again in a moment.",
    causes.UNKNOWN_SCHEME: "This proxy reaches http and https URLs only; FTP, for example, it does not.",
    causes.NOT_FOR_A_PROXY: "This is a forward proxy. Put its address into the proxy settings of your browser.",
    causes.PROXY_AUTHENTICATION: "This proxy asks for a name and a password.",
    causes.PROXY_IDENTITY: "This proxy cannot find out who you are at the moment. Try again soon.",
    causes.PROXY_LOCKED_OUT: "There were too many wrong passwords from your address. Wait a while, then try again.",
}


def advice(cause: str, access: Access | None) -> str:
    """Return the sentence for a cause; empty where the general one of the status will do."""
    text = _ADVICE.get(cause, "")
    if access is None:
        return "" if "{" in text else text
    return text.replace("{host}", access.target.host).replace("{port}", str(access.target.port))


def reason(rule: Rule | None, access: Access) -> str:
    """Return why a rule refuses: what it says itself, or what it is about."""
    if rule is not None and rule.reason:
        return rule.reason
    host = access.target.host
    if rule is None:
        return f"{host} is not among what may be reached here."
    condition = rule.condition
    about = [name for name in access.categories if name in condition.category]
    if about:
        subject = f"{host} belongs to the category {' and '.join(about)}, which is not allowed here"
    elif condition.mime or condition.content or condition.size:
        subject = f"What {host} sends is of a kind or size that is not allowed here"
    else:
        subject = f"{host} is not allowed here"
    return f"{subject} at this time." if condition.when is not None else f"{subject}."
