// What a file is, by its name and its first bytes: how it can be shown.

export type Kind = "table" | "image" | "markdown" | "notebook" | "json" | "text" | "binary";

const BY_ENDING: [RegExp, Kind][] = [
  [/\.(csv|tsv|tab)$/i, "table"],
  [/\.(png|jpe?g|gif|webp|avif|bmp|ico|svg)$/i, "image"],
  [/\.(md|markdown)$/i, "markdown"],
  [/\.ipynb$/i, "notebook"],
  [/\.(json|geojson)$/i, "json"],
  [/\.(parquet|feather|arrow|orc|avro|xlsx?|ods|pkl|pickle|joblib|npy|npz|h5|hdf5|nc|zip|gz|bz2|xz|zst|7z|tar|tgz|whl|jar|pdf|docx?|pptx?|mp[34]|mov|webm|ogg|wav|flac|woff2?|ttf|otf|so|o|a|pyc|class|exe|dll|bin|db|sqlite3?|duckdb|pt|pth|onnx|safetensors)$/i, "binary"],
];

export function kindOf(name: string): Kind {
  return BY_ENDING.find(([ending]) => ending.test(name))?.[1] ?? "text";
}

const TYPES: Record<string, string> = { jpg: "image/jpeg", svg: "image/svg+xml", ico: "image/x-icon" };

export function imageType(name: string): string {
  const ending = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  return TYPES[ending] ?? `image/${ending}`;
}

export interface Text {
  text: string;
  /** As the file has its lines; the editor works with plain ones. */
  newline: "\n" | "\r\n";
}

/** The bytes as text; null for what is none. `cut`: the file goes on, so its last character may be half. */
export function textOf(bytes: Uint8Array, cut = false): Text | null {
  if (bytes.subarray(0, 8192).includes(0)) return null;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
    const pairs = text.match(/\r\n/g)?.length ?? 0;
    const all = text.match(/\n/g)?.length ?? 0;
    // Lines that end in both ways are left as they are: the editor keeps a lone \r as a character.
    return { text, newline: pairs > 0 && pairs === all ? "\r\n" : "\n" };
  } catch {
    return null;
  }
}

/** How code reads what cannot be shown here; "" where there is no usual way. */
export function readingHint(path: string, language: string): string {
  if (!/python/i.test(language)) return "";
  const name = JSON.stringify(path);
  if (/\.parquet$/i.test(path)) return `pd.read_parquet(${name})`;
  if (/\.(feather|arrow)$/i.test(path)) return `pd.read_feather(${name})`;
  if (/\.xlsx?$/i.test(path)) return `pd.read_excel(${name})`;
  if (/\.(pkl|pickle)$/i.test(path)) return `pd.read_pickle(${name})`;
  if (/\.npy$/i.test(path)) return `np.load(${name})`;
  if (/\.(h5|hdf5)$/i.test(path)) return `pd.read_hdf(${name})`;
  if (/\.zip$/i.test(path)) return `import zipfile; zipfile.ZipFile(${name}).namelist()`;
  return "";
}
