// Finding a command by a few of its letters, and remembering which were used last.

export interface Scored<T> {
  item: T;
  score: number;
  /** Places in the text that matched, to be shown. */
  places: number[];
}

/** The letters of `wanted` in their order within `text`; words' beginnings and runs count more. null: not there. */
export function fuzzyMatch(wanted: string, text: string): { score: number; places: number[] } | null {
  const letters = [...wanted.toLowerCase()].filter((letter) => letter.trim());
  const within = text.toLowerCase();
  if (!letters.length) return { score: 0, places: [] };
  const whole = within.indexOf(wanted.toLowerCase().trim());
  if (whole >= 0) {
    const begins = whole === 0 || !/[\p{L}\p{N}]/u.test(within[whole - 1]!);
    const { length } = wanted.trim();
    return { score: 100 + length * 4 + (begins ? 20 : 0) - text.length / 100, places: Array.from({ length }, (_, index) => whole + index) };
  }
  const places: number[] = [];
  let score = 0;
  let at = 0;
  for (const letter of letters) {
    const next = within.indexOf(letter, at);
    if (next < 0) return null;
    // A word that begins with it further on is what was meant, rather than a letter in between.
    const begin = new RegExp(`(?<![\\p{L}\\p{N}])${letter.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}`, "u").exec(within.slice(at));
    const place = next === at && at > 0 ? next : begin ? at + begin.index : next;
    score += place === at && at > 0 ? 4 : begin && place === at + begin.index ? 5 : 0;
    places.push(place);
    at = place + 1;
  }
  return { score: score - text.length / 100, places };
}

/** The best first; those that fit equally well stay in their order. */
export function search<T>(wanted: string, items: readonly T[], textOf: (item: T) => string): Scored<T>[] {
  return items
    .flatMap((item) => {
      const match = fuzzyMatch(wanted, textOf(item));
      return match ? [{ item, ...match }] : [];
    })
    .sort((a, b) => b.score - a.score);
}

const KEPT = "thermae-recent-commands";
const MOST = 5;

export function recent(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(kept) ? kept.filter((id): id is string => typeof id === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export function remember(id: string): void {
  localStorage.setItem(KEPT, JSON.stringify([id, ...recent().filter((each) => each !== id)].slice(0, MOST)));
}
