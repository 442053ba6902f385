// What goes into frames, what they may say, and how many of them are kept alive.

import { LIBRARIES, type Library } from "./libraries";

export type FrameKind = "html" | "script" | "plotly" | "vega" | "vegalite" | "widget";

export interface FrameContent {
  kind: FrameKind;
  content: unknown;
}

/** What a frame may say. It runs whatever a cell printed: each word is checked. */
export interface FrameWords {
  ready?: true;
  height?: number;
  link?: string;
  refused?: string;
  picture?: string;
  format?: "png" | "svg";
  comm?: Record<string, unknown>;
  wants?: string;
  /** What it needs beside what it was given. */
  library?: Library;
}

export function heard(data: unknown): FrameWords {
  if (typeof data !== "object" || data === null) return {};
  const told = data as Record<string, unknown>;
  const words: FrameWords = {};
  if (told.ready === true) words.ready = true;
  if (typeof told.height === "number" && told.height >= 0 && told.height < 1e6) words.height = Math.ceil(told.height);
  if (typeof told.link === "string" && webAddress(told.link)) words.link = told.link;
  if (typeof told.refused === "string") words.refused = told.refused.slice(0, 300);
  if ("picture" in told && (told.format === "png" || told.format === "svg")) {
    words.format = told.format;
    words.picture = pictureOf(told.picture, told.format);
  }
  if (typeof told.comm === "object" && told.comm !== null) words.comm = told.comm as Record<string, unknown>;
  if (typeof told.wants === "string" && told.wants.length <= 128) words.wants = told.wants;
  const library = LIBRARIES.find((name) => name === told.library);
  if (library) words.library = library;
  return words;
}

/** Only addresses of the web: never one that runs in our page. */
export function webAddress(address: string): boolean {
  return /^https?:\/\/[^\s]+$/i.test(address) && address.length <= 2000;
}

function pictureOf(given: unknown, format: "png" | "svg"): string {
  const begins = format === "png" ? "data:image/png;base64," : "data:image/svg+xml,";
  return typeof given === "string" && given.startsWith(begins) && given.length < 50e6 ? given : "";
}

/** Libraries that an HTML output expects to find on the web, and that we have: it is given ours. */
export function librariesOf({ kind, content }: FrameContent): Library[] {
  if (kind === "plotly") return hasMap(content) ? ["geo", "plotly"] : ["plotly"];
  if (kind === "vega" || kind === "vegalite") return ["vega"];
  if (kind === "widget") return ["widgets"];
  if (kind !== "html" || typeof content !== "string") return [];
  const wanted: Library[] = [];
  if (/vega-?embed/i.test(content) && content.length < 5e6) wanted.push("vega");
  // A figure that brings Plotly along has it in full: several megabytes. Whether it is a map, its text does not tell.
  if (/(?:cdn\.plot\.ly|require\(\s*\[\s*["']plotly["'])/.test(content) && content.length < 3e6) wanted.push("geo", "plotly");
  return wanted;
}

/** Whether a figure of Plotly has a map in outlines, rather than one of tiles. */
function hasMap(figure: unknown): boolean {
  const { data } = (figure ?? {}) as { data?: unknown };
  return Array.isArray(data) && data.some((trace: { type?: unknown } | null) => trace?.type === "choropleth" || trace?.type === "scattergeo");
}

/** What of the web was wanted, in words; null for what our own libraries stand in for. */
export function refusedHost(address: string): string | null {
  if (/^(?:eval|inline|data|blob|self|about)/.test(address)) return null;
  try {
    const url = new URL(address);
    if (/(?:^|\/)(?:plotly-[\w.-]+|vega(?:-lite|-embed)?(?:@[\w.]+)?)/.test(url.pathname)) return null;
    return url.host || null;
  } catch {
    return null;
  }
}

/** What to do instead, where the library is known. */
export function adviceFor(html: string): string {
  if (/bokeh/i.test(html)) return " For Bokeh: output_notebook(resources=INLINE), from bokeh.resources.";
  if (/<img|<image/i.test(html)) return " Load the picture in the code, and show its bytes: Image(data=…).";
  if (/<iframe/i.test(html)) return " Open the page in a tab of its own instead.";
  return " Ask the library to put its scripts into the output (often called “inline” or “offline”).";
}

/** Frames that draw. When there are more than a page can carry, those far from the window give way until they are near again. */
export class FrameBudget {
  private alive: Frame[] = [];

  constructor(private readonly most: number) {}

  /** A frame came near the window: it may draw. */
  near(frame: Frame): void {
    this.forget(frame);
    this.alive.push(frame);
    while (this.alive.length > this.most) {
      const oldest = this.alive.find((other) => !other.visible());
      if (!oldest || oldest === frame) return;
      this.forget(oldest);
      oldest.sleep();
    }
  }

  forget(frame: Frame): void {
    this.alive = this.alive.filter((other) => other !== frame);
  }
}

export interface Frame {
  visible(): boolean;
  sleep(): void;
}

export const frameBudget = new FrameBudget(16);
