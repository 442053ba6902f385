import type { PageCommand } from "../notebook/commands";

export const VARIABLES: PageCommand[] = [{ id: "view.variables", title: "Show or hide variables", group: "View", run: (page) => page.togglePanel("variables") }];
