// Outputs taken out of the page: to the clipboard, or as a file.

/** Offer a file. The name is of our making, never a program's. */
export function saveAddress(address: string, name: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

export function saveText(text: string, name: string, type = "text/plain"): void {
  saveBlob(new Blob([text], { type: `${type};charset=utf-8` }), name);
}

export function saveBlob(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  saveAddress(address, name);
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64.replace(/\s/g, ""));
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** Put a picture on the clipboard; browsers take PNG only, so others are drawn anew. False where that is not allowed. */
export async function copyPicture(picture: HTMLImageElement): Promise<boolean> {
  try {
    const canvas = document.createElement("canvas");
    canvas.width = picture.naturalWidth || picture.width;
    canvas.height = picture.naturalHeight || picture.height;
    canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) return false;
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    return true;
  } catch {
    return false;
  }
}

/** Rows as a spreadsheet takes them from the clipboard: tabs and line ends inside a cell would break it. */
export function tabSeparated(rows: readonly (readonly unknown[])[]): string {
  return rows.map((row) => row.map((cell) => textOfCell(cell).replace(/[\t\r\n]+/g, " ")).join("\t")).join("\n");
}

/** RFC 4180. A text that a spreadsheet would take for a formula is marked as text. */
export function commaSeparated(rows: readonly (readonly unknown[])[]): string {
  const field = (cell: unknown) => {
    const plain = textOfCell(cell);
    const text = typeof cell === "string" && /^[=+\-@\t\r]/.test(plain) && !/^-?\d/.test(plain) ? `'${plain}` : plain;
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return rows.map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
}

function textOfCell(cell: unknown): string {
  return cell === null || cell === undefined ? "" : typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}
