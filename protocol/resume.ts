/**
 * Going on with a file: the record of the version that its bytes belong to, and what an answer
 * means for them. A file is one version, or there is an error.
 *
 * @module
 */
import { EXIT, TrioError } from "../mod.ts";
import { codingsIn, type Head, malformed, valueOf, valuesOf } from "./head.ts";
import { parseHttpDate } from "./http_date.ts";

// --- The record --------------------------------------------------------------

/** Bytes of a file: from `start` up to, but without `end`. */
export type Span = [start: number, end: number];

/** Which version of a resource the bytes in a file belong to; FILE.part.json is this. */
export interface VersionRecord {
  /** The URL asked, without userinfo. */
  url: string;
  /** The URL that answered, without query: another one has validators of its own. */
  source?: string | undefined;
  /** Its ETag. */
  etag?: string | undefined;
  /** Its Last-Modified, and the Date of the same answer. */
  lastModified?: string | undefined;
  date?: string | undefined;
  /** Its size in bytes. */
  total?: number | undefined;
  /** Its Content-Type. */
  type?: string | undefined;
  /** Its Content-Encoding, if the bytes still have it. */
  coding?: string | undefined;
  /** Whether codings were undone: the bytes are not those that a range counts. */
  decoded: boolean;
  /** The range that the user asked for, if not the whole. */
  range?: string | undefined;
  /** The spans that are there, if there are gaps between them. */
  ranges?: Span[] | undefined;
}

/** The value of a field; all of them, as one that nothing equals, if a server sends several. */
function fieldOf(head: Head, name: string): string | undefined {
  return [...new Set(valuesOf(head, name))].join(", ") || undefined;
}

function codingOf(head: Head): string | undefined {
  return codingsIn(head, "content-encoding").join(", ") || undefined;
}

/** A final answer, as far as it says what it has the bytes of. */
export interface Answer {
  /** The URL that answered. */
  url: string;
  /** Its head. */
  head: Head;
  /** The length of its body in bytes, if it is known before. */
  length: number | undefined;
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*/s, "");
}

/** The record of the version that a complete answer is, where `asked` was asked for. */
export function recordOf(
  asked: string,
  { url, head, length }: Answer,
  { decoded, range }: Pick<VersionRecord, "decoded" | "range">,
): VersionRecord {
  return {
    url: asked,
    source: withoutQuery(url),
    etag: fieldOf(head, "etag"),
    lastModified: fieldOf(head, "last-modified"),
    date: fieldOf(head, "date"),
    total: length,
    type: valueOf(head, "content-type"),
    coding: codingOf(head),
    decoded,
    range,
  };
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function areSpans(value: unknown, total: number): boolean {
  if (!Array.isArray(value)) return false;
  let last = 0;
  return value.every((span) => {
    if (!Array.isArray(span) || span.length !== 2 || !span.every(isSize)) return false;
    const [start, end] = span as Span, right = last <= start && start < end && end <= total;
    last = end;
    return right;
  });
}

/** Reads FILE.part.json; `undefined` if that is no record, or its `ranges` are none. */
export function parseRecord(text: string): VersionRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const record = value as VersionRecord;
  const { url, decoded, total, ranges } = record;
  const texts = [
    record.source,
    record.etag,
    record.lastModified,
    record.date,
    record.type,
    record.coding,
  ];
  if (typeof url !== "string" || typeof decoded !== "boolean") return undefined;
  if (![...texts, record.range].every((text) => ["string", "undefined"].includes(typeof text))) {
    return undefined;
  }
  if (total !== undefined && !isSize(total)) return undefined;
  if (ranges !== undefined && (total === undefined || !areSpans(ranges, total))) return undefined;
  return record;
}

/** Years of two digits are from 1976 to 2075: dates that servers send are near, and this one stays. */
const CENTURY = new Date("2025-12-31T00:00:00Z");

function timeOf(date: string | undefined): number | undefined {
  return date === undefined ? undefined : parseHttpDate(date, CENTURY)?.getTime();
}

/**
 * What proves that two answers are of one version (RFC 9110 sections 8.8.2.2, 8.8.3, 13.1.5): a
 * strong ETag, or a Last-Modified at least one second older than the Date of the same answer.
 *
 *     ETag: "a"                                      → "a"
 *     ETag: W/"a", Last-Modified 12:00:00, Date 12:00:01 → 12:00:00
 *     ETag: W/"a", Last-Modified 12:00:00, Date 12:00:00 → undefined
 */
export function validatorOf(
  { etag, lastModified, date }: Pick<VersionRecord, "etag" | "lastModified" | "date">,
): string | undefined {
  if (etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag)) return etag;
  const modified = timeOf(lastModified), answered = timeOf(date);
  if (modified === undefined || answered === undefined) return undefined;
  return answered - modified >= 1000 ? lastModified : undefined;
}

/** Whether the bytes of this version can be continued, from a run to the next. */
export function isContinuable(record: VersionRecord, url: string): boolean {
  return record.url === url && !record.decoded && record.range === undefined &&
    validatorOf(record) !== undefined;
}

/**
 * The first bytes that are missing: from where to where, the last one included.
 *
 *     [[0, 5]]           → 5 and all behind
 *     [[0, 5], [8, 9]]   → 5 to 7
 *     [[3, 5]]           → 0 to 2
 */
export function firstGap(spans: readonly Span[]): { first: number; last?: number } {
  const [begin, next] = spans;
  const [first, after] = begin?.[0] === 0 ? [begin[1], next] : [0, begin];
  return after ? { first, last: after[0] - 1 } : { first };
}

// --- The answer --------------------------------------------------------------

/** What Content-Range says (RFC 9110 section 14.4). */
interface ContentRange {
  /** The positions of the first and the last byte; none in a 416. */
  first?: number;
  last?: number;
  /** The size of the whole; none if it said `*`. */
  total?: number;
}

/**
 * Reads the Content-Range; `undefined` if there is none or it makes no sense.
 *
 *     "bytes 2-4/10" → 2, 4, 10      "bytes 2-4/*" → 2, 4      "bytes *\/10" → -, -, 10
 */
function contentRange(head: Head): ContentRange | undefined {
  const values = valuesOf(head, "content-range");
  const match = /^bytes[ \t]+(?:(\d+)-(\d+)|\*)\/(\d+|\*)$/i.exec(values[0] ?? "");
  if (!match || values.length > 1) return undefined;
  const [first, last, total] = match.slice(1).map((digits) =>
    digits === undefined || digits === "*" ? undefined : Number(digits)
  );
  if (![first, last, total].every((size) => size === undefined || isSize(size))) return undefined;
  const range = {
    ...first !== undefined && last !== undefined && { first, last },
    ...total !== undefined && { total },
  };
  const { first: from = 0, last: to = from, total: all = Infinity } = range;
  return from <= to && (first === undefined || to < all) ? range : undefined;
}

function bytesIn(range: ContentRange | undefined): number | undefined {
  if (range?.first === undefined || range.last === undefined) return undefined;
  return range.last - range.first + 1;
}

/** What was asked for. */
export interface Question {
  /** The bytes that are missing: with `If-Range`, of the version of the record. */
  missing?: { first: number; last?: number | undefined };
  /** Only these bytes, as the user wants: `0-99`, `100-`, `-5`. */
  range?: string | undefined;
  /** Whether the user sent a condition, and the file is there. */
  conditional?: boolean;
  /** The Content-Type of what was there before it started over. */
  type?: string | undefined;
}

/** `length` bytes of the record's version, which has `total`, from the one at `first` on. */
export type Rest = { is: "rest"; first: number; length: number; total: number };

/** What an answer means. */
export type Verdict =
  /** The whole, or all that the user wants: from byte 0, a new record. It has `length` bytes. */
  | { is: "whole"; length: number | undefined }
  | Rest
  /** All bytes of the record's version were there. */
  | { is: "complete" }
  /** The file is what the server has, says the user's condition. */
  | { is: "unchanged" }
  /** Another version, or none can tell: start over. */
  | { is: "other" }
  /** An error. */
  | { is: "error"; error: TrioError };

function cannotResume(why: string): Verdict {
  return { is: "error", error: new TrioError(EXIT.resume, `cannot resume: ${why}`) };
}

/**
 * Whether an answer has just the bytes that were asked for.
 *
 *     "0-4" and 0-4/10     → true      "0-99" and 0-9/10  → true (there are no more)
 *     "-3"  and 7-9/10     → true      "5-"   and 5-8/*   → false (is this the end?)
 */
function isRange(asked: string, found: ContentRange | undefined): boolean {
  const [, first = "", last = ""] = /^(\d*)-(\d*)$/.exec(asked) ?? [];
  if (found?.first === undefined || found.last === undefined) return false;
  const end = found.total === undefined ? NaN : found.total - 1;
  if (first === "") return found.last === end && found.first === Math.max(0, end + 1 - +last);
  if (found.first !== Number(first)) return false;
  return found.last === end && (last === "" || Number(last) > end) ||
    last !== "" && found.last === Number(last);
}

function notTheRange(why: string): Verdict {
  return { is: "error", error: new TrioError(EXIT.resume, `not the bytes asked for: ${why}`) };
}

/** Whether it is less than the whole, or may be. */
function isPartOf(found: ContentRange | undefined): boolean {
  const announced = bytesIn(found);
  return announced !== undefined && announced !== found?.total;
}

function judgeWhole(
  range: string | undefined,
  head: Head,
  length: number | undefined,
): Verdict {
  const found = contentRange(head), announced = bytesIn(found);
  if (head.status !== 206) {
    if (isPartOf(found)) return notTheRange("the server sent a part as if it were the whole");
    if (range === undefined || range === "0-" && head.status < 400) return { is: "whole", length };
    if (head.status === 416) return notTheRange("there are no such bytes");
    return notTheRange(`the server answered ${head.status}, as one without ranges`);
  }
  if (range === undefined && (announced === undefined || isPartOf(found))) {
    return notTheRange("the server sent a part without being asked");
  }
  if (range !== undefined && !isRange(range, found)) return notTheRange("the server sent others");
  if (length !== undefined && length !== announced) {
    return notTheRange(`the server sent ${length} where it announced ${announced}`);
  }
  return { is: "whole", length: announced };
}

/** Whether an answer has a validator that the record has, with another value. */
function contradicts({ etag, lastModified }: VersionRecord, head: Head): boolean {
  const other = fieldOf(head, "etag"), modified = fieldOf(head, "last-modified");
  return etag !== undefined && other !== undefined && etag !== other ||
    lastModified !== undefined && modified !== undefined && lastModified !== modified &&
      timeOf(lastModified) !== timeOf(modified);
}

/** Whether an answer has the validator of the record, and none that contradicts it. */
export function repeats(record: VersionRecord, head: Head): boolean {
  const validator = validatorOf(record);
  if (validator === undefined) return false;
  const etag = fieldOf(head, "etag"), modified = fieldOf(head, "last-modified");
  return contradicts(record, head)
    ? false
    : (validator === record.etag ? etag : modified) !== undefined;
}

/** Whether an answer has the strong ETag of the record, and its Last-Modified. */
function repeatsBoth(record: VersionRecord, head: Head): boolean {
  return repeats({ ...record, lastModified: undefined }, head) &&
    repeats({ ...record, etag: undefined }, head);
}

function judgePart(
  { first, last }: { first: number; last?: number | undefined },
  record: VersionRecord,
  head: Head,
  length: number | undefined,
): Verdict {
  const other: Verdict = { is: "other" };
  const found = contentRange(head);
  if (found?.first !== first || found.last === undefined) return other;
  if (last !== undefined && found.last > last) return other;
  const total = found.total ?? record.total;
  if (total === undefined || found.last >= total) return other;
  if (record.total !== undefined && total !== record.total) return other;
  const expected = found.last - first + 1;
  if (length !== undefined && length !== expected) return other;
  if (!repeats(record, head) || codingOf(head) !== record.coding) return other;
  return { is: "rest", first, length: expected, total };
}

/** A 416: there is nothing behind the bytes that are there (RFC 9110 section 15.5.17). */
function judgeEnd(size: number, record: VersionRecord, head: Head): Verdict {
  const { total = size } = contentRange(head) ?? {};
  const odd = valueOf(head, "content-range") !== undefined && contentRange(head) === undefined;
  const complete = !odd && record.total === size && total === size && !contradicts(record, head);
  return { is: complete ? "complete" : "other" };
}

function mediaType(type: string | undefined): string | undefined {
  return type?.split(";")[0]?.trim().toLowerCase();
}

/**
 * Judges the final answer to a question, where there are bytes of the version of `record` or
 * none. A status of 400 or more but 416 is not its matter. A part from another URL, where a
 * redirect leads now, has validators of its own: it proves nothing. Where only its query may be
 * another (a signature is each time), both validators have to be the same.
 */
export function judge(
  question: Question,
  record: VersionRecord | undefined,
  { url, head, length }: Answer,
): Verdict {
  const { missing } = question;
  if (head.status === 304) {
    return question.conditional
      ? { is: "unchanged" }
      : { is: "error", error: malformed("304 without being asked") };
  }
  const type = mediaType(valueOf(head, "content-type"));
  const expected = mediaType(record?.type ?? question.type);
  if (head.status === 200 && type && expected && type !== expected) {
    return cannotResume(`it answered with ${type}, not ${expected}`);
  }
  if (!missing || !record) return judgeWhole(question.range, head, length);
  const elsewhere = (record.source ?? withoutQuery(url)) !== withoutQuery(url);
  if (elsewhere && (head.status === 206 || head.status === 416)) return { is: "other" };
  const redirected = url.includes("?") && url !== record.url;
  if (head.status === 206 && redirected && !repeatsBoth(record, head)) return { is: "other" };
  if (head.status === 206) return judgePart(missing, record, head, length);
  if (head.status === 200 && isPartOf(contentRange(head))) return { is: "other" };
  if (head.status === 416) return judgeEnd(missing.first, record, head);
  return head.status === 200 ? { is: "whole", length } : cannotResume(`it answered ${head.status}`);
}

/** A file that another program wrote. */
export interface ForeignFile {
  /** Its size in bytes. */
  size: number;
  /** When it was written last. */
  modified: Date;
}

/**
 * Judges the head of the whole for a file that has no record: it is taken for a part of this
 * version only if the version is older than the file by at least one second.
 */
export function judgeForeign(
  file: ForeignFile,
  version: VersionRecord,
  head: Head,
): "complete" | "part" | "other" {
  const { total } = version, modified = timeOf(version.lastModified);
  if (head.status !== 200 || version.decoded || version.coding !== undefined) return "other";
  if (total === undefined || modified === undefined) return "other";
  if (file.modified.getTime() - modified < 1000) return "other";
  if (total === file.size) return "complete";
  const isPart = file.size > 0 && file.size < total && validatorOf(version) !== undefined;
  return isPart ? "part" : "other";
}
