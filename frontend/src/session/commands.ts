// What the palette lists of the session.

import type { Page } from "../notebook/page";
import type { PageCommand } from "../notebook/commands";
import { want, wanted } from "./notify";

const mayUse = (page: Page) => page.live.mayEdit.value;
const leased = (page: Page) => mayUse(page) && page.session.view.value.state === "leased";

/** Turn the system's own notifications on or off, and say what became of it. */
export async function toggleNotifications(page: Page): Promise<void> {
  const problem = await want(!wanted.value);
  page.say(problem || (wanted.value ? "While this tab is hidden you are told when a long run ends, and when the session is about to." : "No more notifications of this site."));
}

export const SESSION_COMMANDS: PageCommand[] = [
  { id: "session.keep", title: "Keep the session running", group: "Session", run: (page) => page.session.keepAlive(), available: leased },
  { id: "session.ports", title: "Open port…", group: "Session", run: (page) => void (page.dialog.value = "ports"), available: leased },
  { id: "session.end", title: "End session…", group: "Session", run: (page) => void (page.dialog.value = "end"), available: (page) => mayUse(page) && page.session.live },
  { id: "session.new", title: "Start a new session", group: "Session", run: (page) => void page.session.open(), available: (page) => mayUse(page) && !page.session.live },
  { id: "session.connect", title: "Connect now", group: "Session", run: (page) => page.session.tryNow(), available: (page) => page.session.live },
  { id: "session.notify", title: "Notify me when a long run or the session ends", group: "Session", checked: () => wanted.value, run: (page) => void toggleNotifications(page) },
];
