"""Checks of interception: the authority's files, and rules that can hold of a tunnel."""

from __future__ import annotations

import os
import stat

from cryptography import x509

from bascule.config.check_tls import check_pair
from bascule.config.errors import KeyPath
from bascule.config.findings import Findings
from bascule.config.forward import Condition
from bascule.config.intercept import Intercept

_INSIDE = ("path", "header", "request_type", "mime", "content", "size", "method")
"""Conditions about what is inside a tunnel."""


def check_intercept(findings: Findings, path: KeyPath, intercept: Intercept) -> None:
    """Check all of it but what its conditions share with those of other rules."""
    _check_authority(findings, path, intercept)
    for index, rule in enumerate(intercept.rules):
        place: KeyPath = (*path, "rules", index, rule.action)
        for key in _INSIDE:
            if getattr(rule.condition, key):
                findings.error(
                    (*place, key), "not known before the tunnel is opened", "write it into the `rules` of `forward`"
                )
        if rule.condition == Condition() and index + 1 < len(intercept.rules):
            findings.error((*path, "rules", index + 1), f"this rule is never reached: rule {index + 1} always holds")
    if intercept.default == "splice" and not any(rule.bump is not None for rule in intercept.rules):
        findings.error((*path, "rules"), "nothing is ever opened", "add a rule such as - bump: {for: students}")


def _check_authority(findings: Findings, path: KeyPath, intercept: Intercept) -> None:
    before = len(findings.errors)
    check_pair(findings, path, intercept.certificate, intercept.key, ())
    if len(findings.errors) > before:
        return
    with open(intercept.certificate, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if not authority:
        findings.error(
            (*path, "certificate"),
            f"{intercept.certificate} is no authority's certificate",
            "make one: bascule ca init",
        )
    if stat.S_IMODE(os.stat(intercept.key).st_mode) & 0o077:
        findings.error(
            (*path, "key"),
            f"others may read {intercept.key}: who has it can pass for any site before your clients",
            f"chmod 600 {intercept.key}",
        )
