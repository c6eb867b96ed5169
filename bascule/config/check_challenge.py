"""Checks of challenges: that what they ask can be asked, and that something asks."""

from __future__ import annotations

from collections.abc import Iterable

from bascule.config.account import Account
from bascule.config.challenge import NUMBERS, Challenge
from bascule.config.defence import Attack
from bascule.config.errors import KeyPath
from bascule.config.findings import Findings
from bascule.config.grammar import is_token
from bascule.config.waf import WafConfig


def check_challenge(findings: Findings, path: KeyPath, challenge: Challenge) -> None:
    """Check a challenge with all it inherits; `path` is where it is stated."""
    for key in ("level", "under_attack"):
        if getattr(challenge, key) == "captcha" and challenge.captcha is None:
            findings.error(
                (*path, key),
                "the rung captcha needs a provider",
                "captcha: {site_key: KEY, secret: ..., script: URL, verify: URL}",
            )
    for name in challenge.tokens:
        if not is_token(name):
            findings.error((*path, "tokens", name), f"{name!r} is not the name of a header field")
        elif not challenge.tokens[name]:
            findings.error((*path, "tokens", name), f"{name} has no value that lets anybody past")


def check_account_captcha(findings: Findings, account: Account, challenge: Challenge, route: str) -> None:
    """Check that the captcha that an account may lead to can be asked for at a route."""
    if account.mode != "off" and account.steps.captcha is not None and challenge.asks and challenge.captcha is None:
        findings.error(
            ("account", "steps", "captcha"),
            f"the route {route} has a challenge, but no provider of captchas",
            "state one for all sites, `challenge: {under_attack: off, "
            "captcha: {site_key: KEY, secret: ..., script: URL, verify: URL}}`, or leave the step out",
        )


def check_challenging_rules(
    findings: Findings,
    stated: Iterable[tuple[KeyPath, WafConfig | None]],
    waf: WafConfig,
    challenge: Challenge,
    route: str,
) -> None:
    """Check the rules that are answered with a challenge at a route; `stated` is where, lowest level first."""
    if waf.mode == "off":
        return
    everybody = NUMBERS[challenge.level] >= NUMBERS[challenge.under_attack]
    for name in (name for name, answer in waf.answers.items() if answer.action == "challenge"):
        path = next(path for path, level in stated if level is not None and name in level.answers)
        place = (*path, "waf", "answers", name)
        if not challenge.asks:
            findings.error(place, f"the route {route} has no challenge that a rule could ask for", "challenge: auto")
        elif everybody:
            findings.warn(
                place,
                f"at the route {route} everybody passes {challenge.level} before, so this only records",
                "state a harder rung in `challenge.under_attack`",
            )


def check_attack(findings: Findings, path: KeyPath, attack: Attack, challenged: bool) -> None:
    """Check when a site counts as under attack; `challenged` says whether any site asks anything of its clients."""
    stated = attack.model_fields_set
    if stated and not attack.automatic:
        findings.error(
            (*path, sorted(stated)[0]),
            "nothing says what an attack is",
            "give `requests` (2000/s), `errors` (20%) or `shed` (30%)",
        )
    elif stated and not challenged:
        findings.warn(path, "no site has `challenge`, so an attack changes nothing; it is only shown")
