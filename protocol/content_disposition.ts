/**
 * The file name that a server gives (RFC 6266).
 *
 * @module
 */

/**
 * A parameter: `name="quoted"` or `name=token`, up to a semicolon outside of the quotes. Spaces
 * belong to a token, and a quote that is not closed goes on to the end, as in browsers.
 */
const PARAMETER = /(?:^|;)(?<name>[^=;]*)=[ \t]*(?:"(?<quoted>(?:[^"\\]|\\.)*)"?|(?<token>[^;]*))/g;

/** The parameters by their name in lower case; the first of a name counts. */
function parametersOf(field: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const { groups } of field.matchAll(PARAMETER)) {
    const { name = "", quoted, token = "" } = groups!;
    const key = name.trim().toLowerCase();
    // other backslashes are of a path, as in "C:\a.txt"
    const value = quoted?.replace(/\\(["\\])/g, "$1") ?? token;
    if (!parameters.has(key)) parameters.set(key, value);
  }
  return parameters;
}

/** The text that bytes, one a char, are in an encoding; undefined if they are none in it. */
function decoded(bytes: string, encoding: string): string | undefined {
  try {
    const decoder = new TextDecoder(encoding, { fatal: true });
    return decoder.decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
  } catch {
    return undefined; // other bytes, or another encoding than the runtime knows
  }
}

/** Decodes `UTF-8'en'%e2%82%ac` (RFC 8187 section 3.2); undefined if it is not of this form. */
function fromExtended(value: string): string | undefined {
  const [, encoding = "", text] = /^([^']*)'[^']*'(.*)$/s.exec(value.trim()) ?? [];
  if (text === undefined || /%(?![\da-f]{2})|[^\0-\xff]/i.test(text)) return undefined;
  const bytes = text.replace(
    /%(..)/g,
    (_, hex) => String.fromCharCode(parseInt(hex, 16)),
  );
  return decoded(bytes, encoding);
}

/** What a name without an encoding stands for: UTF-8 if it can be that, else Latin-1. */
function fromPlain(value: string): string {
  return /[^\0-\xff]/.test(value) ? value : decoded(value, "utf-8") ?? value;
}

/** The last segment of a path, of Windows too; undefined if that names no file. */
function lastSegment(path: string | undefined): string | undefined {
  const name = path?.split(/[/\\]/).at(-1)?.trim();
  return name && name !== "." && name !== ".." ? name : undefined;
}

/**
 * The file name in Content-Disposition: `filename*`, or else `filename`, without folders;
 * undefined if there is none.
 *
 * | field                                          | name                                   |
 * |------------------------------------------------|----------------------------------------|
 * | `attachment; filename="a \"b\".txt"`           | `a "b".txt`                            |
 * | `attachment; filename=a b.txt`                 | `a b.txt`: broken, but what is meant   |
 * | `filename="x"; filename*=UTF-8''%e2%82%ac`     | `€`                                    |
 * | `filename="€"`                                 | `€`: its bytes, which are UTF-8        |
 * | `filename="C:\dir\a.txt"`, `filename=../a.txt` | `a.txt`                                |
 * | `filename="a%20b.txt"`                         | `a%20b.txt`, as for curl and the RFC   |
 * | `inline`, `filename=""`, `filename=".."`       | undefined                              |
 *
 * It may still have control characters, or be a name that is special to a system.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const field = `attachment; filename="rates.txt"; filename*=UTF-8''%c2%a3%20rates.txt`;
 * assertEquals(remoteName(field), "£ rates.txt");
 * ```
 *
 * @param field The field's value, one char a byte.
 */
export function remoteName(field: string): string | undefined {
  const parameters = parametersOf(field);
  return lastSegment(fromExtended(parameters.get("filename*") ?? "")) ??
    lastSegment(fromPlain(parameters.get("filename") ?? ""));
}
