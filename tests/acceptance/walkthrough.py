"""An organisation from its making to its first bill, each step by the person who takes it, in a browser of their own.

The test walks it, and the pictures of docs/walkthrough.md are taken on the way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from tests.acceptance.screen import PATIENCE, Screen

PASSWORD = "a sound pass phrase"


@dataclass
class Walk:
    """`signed_in(name, password)` and `stranger()` open a window; `take(name, page)` may keep a picture."""

    signed_in: Callable[[str, str], BrowserContext]
    stranger: Callable[[], BrowserContext]
    take: Callable[[str, Page], Any]
    mark: str = ""  # so that it can be walked again

    def whole(self) -> None:
        owner = self.join(self.operator_makes_a_tenant(), "livia", "owner")
        admin = self.join(self.invite(owner, "admin", "Marcus, who runs our pools"), "marcus", "admin")
        self.admin_makes_a_pool(admin)
        member = self.join(self.invite(admin, "member", "Julia"), "julia", "member", picture="3-join")
        self.member_runs(member)
        self.admin_reads(admin)

    def operator_makes_a_tenant(self) -> str:
        """And the link that invites its owner."""
        page = self.signed_in(f"operator{self.mark}", "secret").new_page()
        page.goto("/admin/tenants/tenant/add/")
        page.get_by_label("Name:", exact=True).fill(f"Baths of Trajan{self.mark}")
        page.keyboard.press("Tab")  # the form proposes a slug now, and not while another is written
        page.get_by_label("Slug:").fill(f"trajan{self.mark}")
        page.get_by_label("Sessions:", exact=True).fill("10")
        self.take("1-tenant", page)
        page.get_by_role("button", name="Save", exact=True).click()
        page.goto("/admin/tenants/invitation/add/")
        page.locator("select[name=tenant]").select_option(label=f"Baths of Trajan{self.mark}")
        page.locator("[name=role]").select_option("owner")
        page.get_by_role("button", name="Save", exact=True).click()
        return page.get_by_label("Link").input_value()

    def invite(self, page: Page, role: str, note: str) -> str:
        page.goto("/organisation/")
        page.locator(f"input[name=role][value={role}]").check()
        page.get_by_label("For whom").fill(note)
        page.get_by_role("button", name="Make a link").click()
        link = page.get_by_label("Link").input_value()
        self.take("2-invite", page)
        return link

    def join(self, link: str, name: str, role: str, picture: str = "") -> Page:
        page = self.stranger().new_page()
        page.goto(link)
        page.get_by_label("User name").fill(f"{name}{self.mark}")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("The password again").fill(PASSWORD)
        if picture:
            self.take(picture, page)
        page.get_by_role("button", name="Make the account and join").click()
        expect(page.get_by_text(f"you are its {role}")).to_be_visible()
        return page

    def admin_makes_a_pool(self, page: Page) -> None:
        page.goto("/admin/interpreters/sessionpool/add/")
        page.get_by_label("Name:", exact=True).fill("class")
        page.locator("select[name=image]").select_option(index=1)
        page.locator("input[name=ready_instances]").fill("1")
        page.locator("input[name=max_concurrent]").fill("10")
        self.take("4-pool", page)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("was added successfully")).to_be_visible()

    def member_runs(self, page: Page) -> None:
        screen = Screen(page)
        screen.create("class")
        screen.run("sum(range(1000))")
        screen.shows("499500", patience=2 * PATIENCE)
        self.take("5-run", page)

    def admin_reads(self, page: Page) -> None:
        page.goto("/admin/")
        page.get_by_role("link", name="Dashboard").first.click()
        expect(page.get_by_role("heading", name="Wait for a session")).to_be_visible()
        self.take("6-dashboard", page)
        page.goto("/admin/interpreters/sessionusage/")
        expect(page.locator("#result_list")).to_contain_text("julia")
        self.take("7-usage", page)
        page.goto("/admin/tenants/auditevent/?action__exact=session.opened")
        expect(page.locator("#result_list")).to_contain_text("julia")
        page.goto("/admin/tenants/auditevent/?action__exact=pool.created")
        expect(page.locator("#result_list")).to_contain_text("class")
        page.goto("/admin/tenants/auditevent/")
        self.take("8-audit", page)
