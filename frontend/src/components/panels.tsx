// The panels beside the notebook: one is open at a time. Each is loaded when it is first opened.

import type { VNode } from "preact";
import type { Page } from "../notebook/page";
import type { IconName } from "./Icon";
import { lazy, Suspense, type Lazy } from "./lazy";

interface PanelSpec {
  title: string;
  icon: IconName;
  part: Lazy;
}

export const PANELS = {
  outline: { title: "Outline", icon: "outline", part: lazy(() => import("../outline/OutlinePanel").then((module) => module.OutlinePanel)) },
  files: { title: "Files", icon: "files", part: lazy(() => import("../files/FilesPanel").then((module) => module.FilesPanel)) },
  history: { title: "History", icon: "clock", part: lazy(() => import("../history/HistoryPanel").then((module) => module.HistoryPanel)) },
  variables: { title: "Variables", icon: "variables", part: lazy(() => import("../variables/VariablesPanel").then((module) => module.VariablesPanel)) },
} satisfies Record<string, PanelSpec>;

export type PanelName = keyof typeof PANELS;

/** The open panel, if any. */
export function SidePanel({ page }: { page: Page }): VNode | null {
  const name = page.panel.value;
  return name && <Suspense key={name} load={PANELS[name].part} />;
}
