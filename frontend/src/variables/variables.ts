// What a kernel says about its variables, checked, and in the order that a person wants.

export interface Variable {
  name: string;
  type: string;
  kind: "data" | "function" | "class" | "module";
  value: string;
  shape: number[] | null;
  length: number | null;
  bytes: number | null;
  estimated: boolean;
}

export interface TreeNode {
  label: string;
  type: string;
  value: string;
  length: number | null;
  children: TreeNode[];
}

export type Sort = { by: "name" | "type" | "size"; descending: boolean };

type Answer = Record<string, unknown>;
const KINDS = ["data", "function", "class", "module"];
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const count = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null);

export function variablesOf(answer: Answer): Variable[] {
  if (!Array.isArray(answer.variables)) return [];
  return answer.variables.slice(0, 1000).filter((row): row is Answer => row !== null && typeof row === "object").map(variableOf);
}

export function variableOf(row: Answer): Variable {
  const shape = Array.isArray(row.shape) && row.shape.every((side) => count(side) !== null) ? (row.shape as number[]) : null;
  return {
    name: text(row.name),
    type: text(row.type),
    kind: (KINDS.includes(text(row.kind)) ? row.kind : "data") as Variable["kind"],
    value: text(row.value),
    shape,
    length: count(row.length),
    bytes: count(row.bytes),
    estimated: row.estimated === true,
  };
}

/** The parts of a value, as deep as they were told. */
export function treeOf(nodes: unknown, depth = 0): TreeNode[] {
  if (!Array.isArray(nodes) || depth > 6) return [];
  return nodes
    .slice(0, 200)
    .filter((node): node is Answer => node !== null && typeof node === "object")
    .map((node) => ({ label: text(node.label), type: text(node.type), value: text(node.value), length: count(node.length), children: treeOf(node.children, depth + 1) }));
}

/** How large it is in its own measure: 200 × 3, or 12 long. */
export function measure(variable: Variable): string {
  if (variable.shape?.length) return variable.shape.join(" × ");
  return variable.length === null ? "" : String(variable.length);
}

export function arrange(all: Variable[], filter: string, code: boolean, sort: Sort): Variable[] {
  const wanted = filter.trim().toLowerCase();
  const shown = all.filter((one) => (code || one.kind === "data") && (!wanted || `${one.name} ${one.type}`.toLowerCase().includes(wanted)));
  const compare = (a: Variable, b: Variable): number => {
    if (sort.by === "size") return (a.bytes ?? -1) - (b.bytes ?? -1) || a.name.localeCompare(b.name);
    return a[sort.by].localeCompare(b[sort.by], undefined, { numeric: true }) || a.name.localeCompare(b.name);
  };
  return shown.sort((a, b) => (sort.descending ? -compare(a, b) : compare(a, b)));
}

/** Those that hold most of the memory: at most three, each at least a megabyte and a tenth of all. */
export function heaviest(all: Variable[]): Set<string> {
  const total = all.reduce((sum, one) => sum + (one.bytes ?? 0), 0);
  const heavy = all.filter((one) => (one.bytes ?? 0) >= Math.max(1 << 20, total / 10)).sort((a, b) => b.bytes! - a.bytes!);
  return new Set(heavy.slice(0, 3).map((one) => one.name));
}
