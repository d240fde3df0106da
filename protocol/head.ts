/**
 * The head of a response: its lines, its fields, and what they say (RFC 9112 sections 2 to 5).
 *
 * @module
 */
import { EXIT, TransientError, TrioError } from "../mod.ts";

/** The most fields of a head, more than any server sends: curl's limit. */
const FIELD_LIMIT = 5000;
/** The most codings of a body: each costs memory and time. */
const CODING_LIMIT = 5;

/** An error of the kind "the reply is not valid HTTP". */
export function malformed(what: string): TrioError {
  return new TrioError(EXIT.reply, `the reply is not valid HTTP: ${what.slice(0, 80)}`);
}

/** An error of the kind "the body is shorter than announced". */
export function cutShort(what: string): TransientError {
  return new TransientError(EXIT.partial, `the body was cut short: ${what}`);
}

/** One char a byte: lossless, and what `Headers` takes. */
export function byteString(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) { // within the stack's limit
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return text;
}

/** A response head (RFC 9112 sections 4 and 5); text is one char a byte. */
export interface Head {
  /** The minor version: 0 or 1. */
  minor: number;
  /** The status code, 100 to 999. */
  status: number;
  /** The reason phrase, perhaps empty. */
  statusText: string;
  /** The fields in their order, names as they came. */
  fields: [name: string, value: string][];
  /** The lines as they came, without the empty one. */
  lines: string[];
}

/** Without spaces and tabs at both ends; `trim` would take bytes of UTF-8 too. */
export function trimmed(text: string): string {
  let start = 0, end = text.length;
  while (start < end && " \t".includes(text[start]!)) start++;
  while (end > start && " \t".includes(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/**
 * Parses a complete head, as curl does: the lines end with LF, folded lines are joined, spaces
 * around values are dropped (RFC 9112 sections 2.2, 4 and 5.2).
 *
 *     status-line = HTTP-version SP status-code SP [ reason-phrase ]
 *     field-line  = field-name ":" OWS field-value OWS
 *
 *     "HTTP/1.1 200 OK\r\nA: b\r\n"      → 200 "OK", [["A", "b"]]
 *     "HTTP/1.0  404\nA:b\n c\n"         → 404 "", [["A", "b c"]]
 *     "HTTP/1.1\t200 OK\r\n"             → error: only spaces stand behind the version
 *     "HTTP/1.1 200 OK\r\nA b\r\n"       → error: no colon
 *
 * @throws {TrioError} with code 8 if it is malformed.
 */
export function parseHead(text: string): Head {
  if (text.includes("\0")) throw malformed("NUL in the head");
  const lines = text.split(/\r?\n/);
  while (lines.at(-1) === "") lines.pop();
  const [first = ""] = lines;
  const status = /^HTTP\/1\.([01]) +([1-9]\d\d)(?!\d)(.*)$/s.exec(first);
  if (!status) throw malformed(first);
  if (lines.length > FIELD_LIMIT) throw malformed("too many header fields");
  const fields: Head["fields"] = [];
  for (const line of lines.slice(1)) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line)) {
      if (!last) throw malformed("a folded line before any field");
      last[1] = trimmed(`${last[1]} ${trimmed(line)}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon < 0) throw malformed(`no colon in "${line}"`);
    const name = line.slice(0, colon);
    if (/^(content-length|transfer-encoding)[ \t]+$/i.test(name)) {
      throw malformed(`space before the colon of ${name.trim()}`);
    }
    fields.push([name, trimmed(line.slice(colon + 1).replaceAll("\r", " "))]);
  }
  return {
    minor: Number(status[1]),
    status: Number(status[2]),
    statusText: trimmed(status[3]!),
    fields,
    lines,
  };
}

/** The values of all fields with this lower-case name. */
export function valuesOf(head: Head, name: string): string[] {
  return head.fields
    .filter(([field]) => field.toLowerCase() === name)
    .map(([, value]) => value);
}

/** The value of the first field with this lower-case name. */
export function valueOf(head: Head, name: string): string | undefined {
  return valuesOf(head, name)[0];
}

/** The members of the lists that are the values of all fields with this lower-case name. */
export function membersOf(head: Head, name: string): string[] {
  return valuesOf(head, name).flatMap((value) => value.split(",")).map(trimmed);
}

/** The codings in the fields called `name`; servers also say that there are none. */
export function codingsIn(head: Head, name: string): string[] {
  const members = membersOf(head, name).map((coding) => coding.toLowerCase());
  return members.filter((coding) => !["", "identity", "none"].includes(coding));
}

/** @throws {TrioError} with code 61 if a coding is not `known`, or there are too many. */
export function checkCodings(codings: string[], known: readonly string[]): void {
  const unknown = codings.find((coding) => !known.includes(coding));
  if (unknown) throw new TrioError(EXIT.encoding, `cannot decode "${unknown}"`);
  if (codings.length > CODING_LIMIT) {
    throw new TrioError(EXIT.encoding, `${codings.length} codings in a row`);
  }
}
