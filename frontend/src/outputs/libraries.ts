// Scripts that frames need. A frame may load nothing, so the page reads them, once, and hands them in as text.

export const LIBRARIES = ["geo", "plotly", "vega", "widgets"] as const;
export type Library = (typeof LIBRARIES)[number];

const ADDRESSES: Record<Library, () => Promise<{ default: string }>> = {
  geo: () => import("../frame/geo?frame"),
  plotly: () => import("plotly.js-dist-min/plotly.min.js?url"),
  vega: () => import("../frame/vega?frame"),
  widgets: () => import("../frame/widgets?frame"),
};

const texts = new Map<Library, Promise<string>>();

/** The text of a library. Raises if it cannot be had; it is asked for again the next time. */
export function libraryText(name: Library): Promise<string> {
  let text = texts.get(name);
  if (!text) {
    texts.set(name, (text = load(name)));
    text.catch(() => texts.delete(name));
  }
  return text;
}

async function load(name: Library): Promise<string> {
  const address = (await ADDRESSES[name]()).default;
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${name} could not be loaded (${response.status})`);
  return response.text();
}
