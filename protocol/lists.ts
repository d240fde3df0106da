/**
 * Texts that are lists of lines: URLs, header lines, and the bytes that such files are.
 *
 * @module
 */

/**
 * Decodes a text file: UTF-8, or what its byte order mark says, which is dropped. The output of
 * some shells of Windows is UTF-16.
 *
 *     ef bb bf 61 → "a"
 *     ff fe 61 00 → "a"
 */
export function decodeText(bytes: Uint8Array): string {
  const mark = bytes.length > 1 ? bytes[0]! << 8 | bytes[1]! : 0;
  const encoding = mark === 0xfffe ? "utf-16le" : mark === 0xfeff ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}

/**
 * The lines of a list, without white space around them, empty ones, and those that begin with `#`.
 *
 *     "# mine\r\nX-A: #1\r\n\r\nX-B: 2\r\n" → ["X-A: #1", "X-B: 2"]
 */
export function parseLines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => /^[^#]/.test(line));
}

/**
 * The URLs of a list, one a line. No URL has a space, so a comment may also stand behind one.
 *
 *     "a.example/x#part # the first\nb.example\n" → ["a.example/x#part", "b.example"]
 */
export function parseUrlList(text: string): string[] {
  return parseLines(text).map((line) => line.replace(/\s+#.*$/, ""));
}
