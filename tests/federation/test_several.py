# SPDX-License-Identifier: GPL-3.0-or-later
"""Two services in one inventory: what changes something is done on the one that it names."""

from __future__ import annotations

import pytest

from ..kit.service import Service
from .between import run_playbook

pytestmark = pytest.mark.timeout(600)

NAME = "named-once"


def user(**settings: str) -> tuple[int, str]:
    """Exit code and words of playbooks/user.yml for both services."""
    done = run_playbook("playbooks/user.yml", limit="alpha,beta", settings=settings)
    return done.returncode, done.stdout


def has_account(service: Service, name: str) -> bool:
    return name in service.api(("registered_users", {"host": service.domain}))[0]


def test_account_is_made_and_deleted_on_the_host_of_its_domain(alpha: Service, beta: Service, gamma: Service) -> None:
    """The second domain of a host is one of its own."""
    address = f"{NAME}@{gamma.domain}"
    try:
        code, said = user(create=address)
        assert code == 0, said
        assert said.count("is made") == 1
        assert [has_account(service, NAME) for service in (alpha, beta, gamma)] == [False, False, True]
        code, said = user(delete=address, sure=address)
        assert code == 0, said
        assert not has_account(gamma, NAME)
    finally:
        gamma.api(("unregister", {"user": NAME, "host": gamma.domain}))


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (
            {"create": NAME},
            f'create is "{NAME}", and there are 2 hosts (alpha, beta), but only one can be changed at a time.',
        ),
        ({"create": f"{NAME}@other.test"}, "which is of another domain than those of the hosts: alpha.test, beta.test"),
    ],
)
def test_what_no_host_is_named_for_is_refused(
    alpha: Service, beta: Service, settings: dict[str, str], wrong: str
) -> None:
    code, said = user(**settings)
    assert code == 2
    assert said.count(wrong) == 1
    assert not has_account(alpha, NAME)
    assert not has_account(beta, NAME)
