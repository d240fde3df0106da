/**
 * What an answer means for the bytes that are there: the table of RFC 9110's statuses, validators
 * and ranges, and properties that no answer may break.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { parseHead } from "../../protocol/head.ts";
import {
  firstGap,
  isContinuable,
  judge,
  judgeForeign,
  parseRecord,
  type Question,
  recordOf,
  repeats,
  type Span,
  validatorOf,
  type Verdict,
  type VersionRecord,
} from "../../protocol/resume.ts";
import { fc } from "../support/fuzz.ts";

const URL_ASKED = "http://127.0.0.1/file";
const MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT";
/** A second later, and the second after that. */
const LATER = "Sun, 06 Nov 1994 08:49:38 GMT", LATEST = "Sun, 06 Nov 1994 08:49:39 GMT";

function headOf(status: number, ...fields: string[]) {
  return parseHead([`HTTP/1.1 ${status} X`, ...fields, "", ""].join("\r\n"));
}

/** The record of 1000 bytes with the ETag "1", of which 400 are there. */
const RECORD: VersionRecord = {
  url: URL_ASKED,
  etag: '"1"',
  lastModified: MODIFIED,
  date: LATER,
  total: 1000,
  type: "image/png",
  decoded: false,
};
/** The same with a Last-Modified only. */
const DATED: VersionRecord = { ...RECORD, etag: undefined };
/** The same of a size that nobody knows. */
const ENDLESS: VersionRecord = { ...RECORD, total: undefined };

/** How its bytes are those of the answer. */
const PLAIN = { decoded: false, range: undefined };

const REST: Question = { missing: { first: 400 } };
const GAP: Question = { missing: { first: 400, last: 499 } };
const END: Question = { missing: { first: 1000 } };
const ETAG = 'ETag: "1"', DATE = `Last-Modified: ${MODIFIED}`;

/** What a verdict comes to: the exit code of an error, or a word with its numbers. */
function told(verdict: Verdict): string {
  if (verdict.is === "error") return `error ${verdict.error.code}`;
  if (verdict.is === "rest") return `rest of ${verdict.length}, ${verdict.total} in all`;
  return verdict.is === "whole" ? `whole of ${verdict.length ?? "any length"}` : verdict.is;
}

type Row = [
  what: string,
  question: Question,
  record: VersionRecord | undefined,
  answer: [status: number, ...fields: string[]],
  length: number | undefined,
  verdict: string,
];

/** An answer with a part. */
function part(range: string, ...fields: string[]): Row[3] {
  return [206, `Content-Range: bytes ${range}`, ...fields];
}

function restOf(length: number): string {
  return `rest of ${length}, 1000 in all`;
}

// deno-fmt-ignore
const ROWS: Row[] = [
  // 200: the whole
  ["200 to no bytes", {}, undefined, [200], 1000, "whole of 1000"],
  ["200 of no length", {}, undefined, [200], undefined, "whole of any length"],
  ["200 to a question for the rest", REST, RECORD, [200, 'ETag: "2"'], 900, "whole of 900"],
  ["200 of the same version", REST, RECORD, [200, ETAG], 1000, "whole of 1000"],
  ["200 of the same type", REST, RECORD, [200, "Content-Type: IMAGE/png; a=b"], 9, "whole of 9"],
  ["200 of no type", REST, RECORD, [200], 9, "whole of 9"],
  ["200 where no type was", REST, { ...RECORD, type: undefined }, [200, "Content-Type: text/html"], 9, "whole of 9"],
  ["a login page", REST, RECORD, [200, "Content-Type: text/html"], 9, "error 33"],
  ["a login page after it started over", { type: "image/png" }, undefined, [200, "Content-Type: text/html"], 9, "error 33"],
  ["200 with the rest, of who forgot to say 206", REST, RECORD, [200, "Content-Range: bytes 400-999/1000", ETAG], 600, "other"],
  ["200 with a part", {}, undefined, [200, "Content-Range: bytes 0-399/1000", ETAG], 400, "error 33"],
  ["200 with what may be a part", {}, undefined, [200, "Content-Range: bytes 0-399/*", ETAG], 400, "error 33"],
  ["200 with all, and a Content-Range that says so", {}, undefined, [200, "Content-Range: bytes 0-999/1000", ETAG], 1000, "whole of 1000"],
  ["a login page to a question for the whole", {}, { ...RECORD, etag: 'W/"1"', date: undefined }, [200, "Content-Type: text/html; charset=utf-8"], 9, "error 33"],
  ["204 to a question for the rest", REST, RECORD, [204], 0, "error 33"],
  ["203 to a question for the rest", REST, RECORD, [203, ETAG], 1000, "error 33"],
  // 206 with numbers: the rest
  ["the rest", REST, RECORD, part("400-999/1000", ETAG), 600, restOf(600)],
  ["the rest until EOF", REST, RECORD, part("400-999/1000", ETAG), undefined, restOf(600)],
  ["fewer bytes, which is allowed", REST, RECORD, part("400-499/1000", ETAG), 100, restOf(100)],
  ["all of a gap", GAP, RECORD, part("400-499/1000", ETAG), 100, restOf(100)],
  ["more than a gap", GAP, RECORD, part("400-500/1000", ETAG), 101, "other"],
  ["the rest by its date", REST, DATED, part("400-999/1000", DATE), 600, restOf(600)],
  ["the same date in another form", REST, DATED, part("400-999/1000", "Last-Modified: Sun Nov  6 08:49:37 1994"), 600, restOf(600)],
  ["the date of 1970", REST, { ...DATED, lastModified: "Thu, 01 Jan 1970 00:00:00 GMT" }, part("400-999/1000", "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT"), 600, restOf(600)],
  ["a first total", REST, ENDLESS, part("400-899/900", ETAG), 500, "rest of 500, 900 in all"],
  ["the same coding", REST, { ...RECORD, coding: "gzip" }, part("400-999/1000", "Content-Encoding: GZIP", ETAG), 600, restOf(600)],
  // 206 with another total, another start, another end
  ["another total", REST, RECORD, part("400-998/999", ETAG), 599, "other"],
  ["an end behind the total", REST, RECORD, part("400-1000/1000", ETAG), 601, "other"],
  ["a start too early", REST, RECORD, part("399-999/1000", ETAG), 601, "other"],
  ["a start too early until EOF", REST, RECORD, part("399-999/1000", ETAG), undefined, "other"],
  ["a start too late until EOF", REST, RECORD, part("401-999/1000", ETAG), undefined, "other"],
  ["a start too late", REST, RECORD, part("401-999/1000", ETAG), 599, "other"],
  ["an end before the start", REST, RECORD, part("400-399/1000", ETAG), 0, "other"],
  ["fewer bytes than announced", REST, RECORD, part("400-999/1000", ETAG), 599, "other"],
  ["more bytes than announced", REST, RECORD, part("400-999/1000", ETAG), 601, "other"],
  ["no Content-Range", REST, RECORD, [206, ETAG], 600, "other"],
  ["no bytes and no Content-Range", END, RECORD, [206, ETAG], 0, "other"],
  ["several parts", REST, RECORD, [206, "Content-Type: multipart/byteranges; boundary=x", ETAG], 900, "other"],
  ["two ranges", REST, RECORD, part("400-999/1000", "Content-Range: bytes 400-999/1000", ETAG), 600, "other"],
  ["another unit", REST, RECORD, [206, "Content-Range: lines 400-999/1000", ETAG], 600, "other"],
  ["no numbers", REST, RECORD, part("x-y/z", ETAG), 600, "other"],
  ["numbers that no file has", REST, RECORD, [206, `Content-Range: bytes 400-${"9".repeat(20)}/*`, ETAG], undefined, "other"],
  // 206 with a star
  ["a star for the total", REST, RECORD, part("400-999/*", ETAG), 600, restOf(600)],
  ["a star and an end before the total", REST, { ...RECORD, total: 300_000 }, part("400-599/*", ETAG), 200, "rest of 200, 300000 in all"],
  ["a star and an end behind the total", REST, RECORD, part("400-1000/*", ETAG), 601, "other"],
  ["a star where no total is known", REST, ENDLESS, part("400-999/*", ETAG), 600, "other"],
  // 206 with other validators
  ["another ETag", REST, RECORD, part("400-999/1000", 'ETag: "2"'), 600, "other"],
  ["no validator", REST, RECORD, part("400-999/1000"), 600, "other"],
  ["the other validator only", REST, RECORD, part("400-999/1000", DATE), 600, "other"],
  ["the ETag, and another date", REST, RECORD, part("400-999/1000", ETAG, `Last-Modified: ${LATER}`), 600, "other"],
  ["the date, and another weak ETag", REST, { ...RECORD, etag: 'W/"1"' }, part("400-999/1000", DATE, 'ETag: W/"2"'), 600, "other"],
  ["a weak ETag for the strong one", REST, RECORD, part("400-999/1000", 'ETag: W/"1"'), 600, "other"],
  ["two ETags", REST, RECORD, part("400-999/1000", ETAG, 'ETag: "2"'), 600, "other"],
  ["the same ETag twice", REST, RECORD, part("400-999/1000", ETAG, ETAG), 600, restOf(600)],
  ["a record without validator", REST, { ...RECORD, etag: undefined, date: MODIFIED }, part("400-999/1000", DATE), 600, "other"],
  ["another coding", REST, RECORD, part("400-999/1000", "Content-Encoding: gzip", ETAG), 600, "other"],
  // 416
  ["416 with the total", END, RECORD, [416, "Content-Range: bytes */1000"], 0, "complete"],
  ["416 without Content-Range", END, RECORD, [416], 0, "complete"],
  ["416 with the same ETag", END, RECORD, [416, "Content-Range: bytes */1000", ETAG], 0, "complete"],
  ["416 with another ETag", END, RECORD, [416, "Content-Range: bytes */1000", 'ETag: "2"'], 0, "other"],
  ["416 with another date", END, DATED, [416, "Content-Range: bytes */1000", `Last-Modified: ${LATER}`], 0, "other"],
  ["416 with another total", END, RECORD, [416, "Content-Range: bytes */999"], 0, "other"],
  ["416 with a Content-Range of no sense", END, RECORD, [416, "Content-Range: bytes */many"], 0, "other"],
  ["416 in the middle", REST, RECORD, [416, "Content-Range: bytes */400"], 0, "other"],
  ["416 in the middle without Content-Range", REST, RECORD, [416], 0, "other"],
  ["416 where no total is known", END, ENDLESS, [416, "Content-Range: bytes */1000"], 0, "other"],
  // 304
  ["304 to no condition", {}, undefined, [304], 0, "error 8"],
  ["304 to a question for the rest", REST, RECORD, [304], 0, "error 8"],
  ["304 to the user's condition", { conditional: true }, undefined, [304], 0, "unchanged"],
  // 206 to no question, or to the user's
  ["an unasked 206 with a part", {}, undefined, part("5-7/10"), 3, "error 33"],
  ["an unasked 206 without range", {}, undefined, [206], 10, "error 33"],
  ["an unasked 206 with a star", {}, undefined, part("0-9/*"), 10, "error 33"],
  ["an unasked 206 with all", {}, undefined, part("0-9/10"), 10, "whole of 10"],
  ["an unasked 206 with all until EOF", {}, undefined, part("0-9/10"), undefined, "whole of 10"],
  ["an unasked 206 that lacks some", {}, undefined, part("0-9/10"), 5, "error 33"],
  ["the range", { range: "0-4" }, undefined, part("0-4/10"), 5, "whole of 5"],
  ["the range until EOF", { range: "0-4" }, undefined, part("0-4/*"), undefined, "whole of 5"],
  ["fewer bytes than the range", { range: "0-4" }, undefined, part("0-4/10"), 3, "error 33"],
  ["what there is of the range", { range: "5-99" }, undefined, part("5-9/10"), 5, "whole of 5"],
  ["the last bytes", { range: "-3" }, undefined, part("7-9/10"), 3, "whole of 3"],
  ["too many of the last bytes", { range: "-3" }, undefined, part("5-9/10"), 5, "error 33"],
  ["other last bytes", { range: "-3" }, undefined, part("6-8/10"), 3, "error 33"],
  ["more last bytes than there are", { range: "-30" }, undefined, part("0-9/10"), 10, "whole of 10"],
  ["all from one on", { range: "5-" }, undefined, part("5-9/10"), 5, "whole of 5"],
  ["not all from one on", { range: "5-" }, undefined, part("5-8/10"), 4, "error 33"],
  ["an unknown end", { range: "5-" }, undefined, part("5-8/*"), 4, "error 33"],
  ["200 to a range", { range: "0-4" }, undefined, [200], 10, "error 33"],
  ["200 to the range that is the whole", { range: "0-" }, undefined, [200], 10, "whole of 10"],
  ["416 to a range", { range: "50-" }, undefined, [416, "Content-Range: bytes */10"], 0, "error 33"],
];

for (const [what, question, record, answer, length, verdict] of ROWS) {
  Deno.test(`judge: ${what} → ${verdict}`, () => {
    assertEquals(
      told(judge(question, record, { url: URL_ASKED, head: headOf(...answer), length })),
      verdict,
    );
  });
}

for (
  const [where, url, source, verdicts] of [
    ["the same URL", URL_ASKED, URL_ASKED, ["rest of 600, 1000 in all", "complete"]],
    ["the same with a query of the redirect's", `${URL_ASKED}?2`, URL_ASKED, ["other", "complete"]],
    ["a mirror", "http://127.0.0.2/file", URL_ASKED, ["other", "other"]],
    ["a mirror, where none was noted", "http://127.0.0.2/file", undefined, [
      "rest of 600, 1000 in all",
      "complete",
    ]],
  ] as const
) {
  Deno.test(`judge: an answer from ${where}`, () => {
    const record = { ...RECORD, source };
    const rest = headOf(206, "Content-Range: bytes 400-999/1000", ETAG), end = headOf(416, ETAG);
    assertEquals([
      told(judge(REST, record, { url, head: rest, length: 600 })),
      told(judge(END, record, { url, head: end, length: 0 })),
      told(judge(REST, record, { url, head: headOf(200, ETAG), length: 9 })),
    ], [...verdicts, "whole of 9"]);
  });
}

for (
  const [what, record, repeated, verdict] of [
    ["both validators", RECORD, [ETAG, DATE], restOf(600)],
    ["one of both", RECORD, [ETAG], "other"],
    ["its ETag alone", { ...RECORD, lastModified: undefined }, [ETAG], "other"],
    ["its date alone", DATED, [DATE], "other"],
    ["a weak ETag, and its date", { ...RECORD, etag: 'W/"1"' }, ['ETag: W/"1"', DATE], "other"],
  ] as const
) {
  Deno.test(`judge: a part from where a redirect's query leads, with ${what} → ${verdict}`, () => {
    const head = headOf(206, "Content-Range: bytes 400-999/1000", ...repeated);
    assertEquals(told(judge(REST, record, { url: `${URL_ASKED}?2`, head, length: 600 })), verdict);
    const asked = { ...record, url: `${URL_ASKED}?2` };
    assertEquals(told(judge(REST, asked, { url: asked.url, head, length: 600 })), restOf(600));
  });
}

Deno.test("firstGap is what is missing first, before the first span, too", () => {
  const cases: [spans: Span[], gap: { first: number; last?: number }][] = [
    [[[0, 5]], { first: 5 }],
    [[[0, 5], [8, 9]], { first: 5, last: 7 }],
    [[[3, 5]], { first: 0, last: 2 }],
    [[[3, 5], [8, 9]], { first: 0, last: 2 }],
    [[], { first: 0 }],
  ];
  for (const [spans, gap] of cases) assertEquals(firstGap(spans), gap);
});

// --- The space ---------------------------------------------------------------

const etag = fc.constantFrom(undefined, '"1"', '"2"', 'W/"1"', 'W/"2"', '"', "1");
const date = fc.constantFrom(undefined, MODIFIED, LATER, LATEST, "yesterday");
const size = fc.nat({ max: 12 });
const total = fc.option(size, { nil: undefined });

const anyRecord: fc.Arbitrary<VersionRecord> = fc.record({
  url: fc.constant(URL_ASKED),
  etag,
  lastModified: date,
  date,
  total,
  decoded: fc.constant(false),
});

const anyField = fc.oneof(
  etag.filter((tag) => tag !== undefined).map((tag) => `ETag: ${tag}`),
  date.filter((time) => time !== undefined).map((time) => `Last-Modified: ${time}`),
  fc.tuple(size, size, fc.oneof(size, fc.constant("*")))
    .map(([first, last, total]) => `Content-Range: bytes ${first}-${last}/${total}`),
  fc.oneof(size, fc.constant("*")).map((total) => `Content-Range: bytes */${total}`),
);

const anyHead = fc.tuple(
  fc.constantFrom(200, 206, 206, 206, 304, 416),
  fc.array(anyField, { maxLength: 5 }),
).map(([status, fields]) => ({ fields, head: headOf(status, ...fields) }));

const anyMissing = fc.tuple(size, fc.option(size, { nil: undefined }))
  .map(([first, more]) => ({ first, last: more === undefined ? undefined : first + more }));

Deno.test("judge says rest only if the validator is repeated and nothing contradicts", () => {
  fc.assert(
    fc.property(anyRecord, anyHead, anyMissing, total, (record, answer, missing, length) => {
      const verdict = judge({ missing }, record, { url: URL_ASKED, head: answer.head, length });
      if (verdict.is !== "rest") return;
      const validator = validatorOf(record)!;
      const name = validator === record.etag ? "ETag" : "Last-Modified";
      assert(answer.fields.includes(`${name}: ${validator}`), "it is not repeated");
      const others = answer.fields.filter((field) => field.startsWith(`${name}: `));
      assert(others.every((field) => field === `${name}: ${validator}`), "it is contradicted");
      assert(repeats(record, answer.head));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("judge says rest only for bytes from the first missing one on, within the total", () => {
  fc.assert(
    fc.property(anyRecord, anyHead, anyMissing, total, (record, { head }, missing, length) => {
      const verdict = judge({ missing }, record, { url: URL_ASKED, head, length });
      if (verdict.is !== "rest") return;
      assertEquals(head.status, 206);
      assert(verdict.length > 0 && missing.first + verdict.length <= verdict.total);
      assertEquals(verdict.total, record.total ?? verdict.total);
      assertEquals(length ?? verdict.length, verdict.length);
      if (missing.last !== undefined) assert(missing.first + verdict.length <= missing.last + 1);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("judge says complete only after a 416 at the known end", () => {
  fc.assert(
    fc.property(anyRecord, anyHead, anyMissing, total, (record, { head }, missing, length) => {
      const verdict = judge({ missing }, record, { url: URL_ASKED, head, length });
      if (verdict.is === "complete") {
        assertEquals([head.status, record.total], [416, missing.first]);
      }
    }),
    { numRuns: 2000 },
  );
});

// --- Validators and records --------------------------------------------------

for (
  const [what, version, validator] of [
    ["a strong ETag", { etag: '"a"' }, '"a"'],
    ["an empty strong ETag", { etag: '""' }, '""'],
    ["a strong ETag and a date", { etag: '"a"', lastModified: MODIFIED, date: LATER }, '"a"'],
    ["a weak ETag", { etag: 'W/"a"' }, undefined],
    ["a weak ETag and a date", { etag: 'W/"a"', lastModified: MODIFIED, date: LATER }, MODIFIED],
    ["an ETag without quotes", { etag: "a" }, undefined],
    ["an ETag with a quote in it", { etag: '"a"b"' }, undefined],
    ["two ETags in one", { etag: '"a", "b"' }, undefined],
    ["a date a second old", { lastModified: MODIFIED, date: LATER }, MODIFIED],
    ["a date of now", { lastModified: MODIFIED, date: MODIFIED }, undefined],
    ["a date to come", { lastModified: LATER, date: MODIFIED }, undefined],
    ["a date without Date", { lastModified: MODIFIED }, undefined],
    ["a date that is none", { lastModified: "yesterday", date: LATER }, undefined],
    [
      "the date of 1970",
      { lastModified: "Thu, 01 Jan 1970 00:00:00 GMT", date: LATER },
      "Thu, 01 Jan 1970 00:00:00 GMT",
    ],
    ["nothing", {}, undefined],
  ] as [string, Partial<VersionRecord>, string | undefined][]
) {
  Deno.test(`validatorOf: ${what} → ${validator ?? "none"}`, () => {
    assertEquals(validatorOf(version), validator);
  });
}

for (
  const [what, change, expected] of [
    ["the same URL and an ETag", {}, true],
    ["another URL", { url: `${URL_ASKED}?b` }, false],
    ["no validator", { etag: undefined, date: undefined }, false],
    ["decoded bytes", { decoded: true }, false],
    ["a range of the user's", { range: "0-99" }, false],
  ] as [string, Partial<VersionRecord>, boolean][]
) {
  Deno.test(`isContinuable: ${what} → ${expected}`, () => {
    assertEquals(isContinuable({ ...RECORD, ...change }, URL_ASKED), expected);
  });
}

Deno.test("recordOf and parseRecord keep what the answer said", () => {
  const head = headOf(
    200,
    ...['ETag: W/"1"', `Last-Modified: ${MODIFIED}`, `Date: ${LATER}`, "Content-Type: a/b"],
    ...["Content-Encoding: identity", "Content-Encoding: br"],
  );
  const record = recordOf(URL_ASKED, { url: `${URL_ASKED}?a#b`, head, length: 9 }, PLAIN);
  assertEquals(parseRecord(JSON.stringify(record)), {
    url: URL_ASKED,
    source: URL_ASKED,
    etag: 'W/"1"',
    lastModified: MODIFIED,
    date: LATER,
    total: 9,
    type: "a/b",
    coding: "br",
    decoded: false,
  });
});

Deno.test("recordOf takes several values of one field for one that nothing equals", () => {
  const head = headOf(200, 'ETag: "1"', 'ETag: "2"', `Date: ${LATER}`, `Date: ${LATER}`);
  const { etag, date } = recordOf(URL_ASKED, { url: `${URL_ASKED}?a#b`, head, length: 9 }, PLAIN);
  assertEquals([etag, date, validatorOf({ etag })], ['"1", "2"', LATER, undefined]);
});

for (
  const [what, change] of [
    ["no URL", { url: undefined }],
    ["a URL that is none", { url: 7 }],
    ["not whether bytes are decoded", { decoded: undefined }],
    ["an ETag that is no text", { etag: 1 }],
    ["a range that is no text", { range: [0, 1] }],
    ["a total below 0", { total: -1 }],
    ["a total with a fraction", { total: 0.5 }],
    ["a total that is too large", { total: 2 ** 53 }],
    ["a total that is a text", { total: "1000" }],
    ["spans without a total", { total: undefined, ranges: [] }],
    ["spans that are no list", { ranges: { length: 1 } }],
    ["a span of one number", { ranges: [[1]] }],
    ["an empty span", { ranges: [[1, 1]] }],
    ["a span that goes back", { ranges: [[2, 1]] }],
    ["spans that overlap", { ranges: [[0, 5], [4, 9]] }],
    ["spans in no order", { ranges: [[5, 9], [0, 4]] }],
    ["a span behind the total", { ranges: [[0, 1001]] }],
    ["a span below 0", { ranges: [[-1, 5]] }],
  ] as [string, Record<string, unknown>][]
) {
  Deno.test(`parseRecord: ${what} is no record`, () => {
    assertEquals(parseRecord(JSON.stringify({ ...RECORD, ...change })), undefined);
  });
}

Deno.test("parseRecord never throws, whatever is in the file", () => {
  for (const text of ["", "{", "null", "[]", "7", '"a"', "\0", `{"__proto__":{}}`]) {
    assertEquals(parseRecord(text), undefined, text);
  }
  const changed = fc.dictionary(fc.constantFrom(...Object.keys(RECORD), "ranges"), fc.jsonValue());
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    changed.map((change) => JSON.stringify({ ...RECORD, ...change })),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const record = parseRecord(text);
      if (record === undefined) return;
      isContinuable(record, URL_ASKED);
      let last = 0;
      for (const [start, end] of record.ranges ?? [] as Span[]) {
        assert(last <= start && start < end && end <= record.total!);
        last = end;
      }
    }),
    { numRuns: 2000 },
  );
});

// --- Bytes of other programs -------------------------------------------------

/** Ten bytes, a second newer than `MODIFIED`. */
const FOREIGN = { size: 10, modified: new Date(LATER) };

for (
  const [what, answer, length, expected] of [
    ["as long and older", [200, DATE], 10, "complete"],
    ["longer and older", [200, DATE, `Date: ${LATER}`], 11, "part"],
    ["longer, older and with an ETag", [200, DATE, ETAG], 11, "part"],
    ["longer and older, without validator", [200, DATE], 11, "other"],
    ["shorter and older", [200, DATE, `Date: ${LATER}`], 9, "other"],
    ["as long and as new", [200, `Last-Modified: ${LATER}`, `Date: ${LATEST}`], 10, "other"],
    ["longer and as new", [200, `Last-Modified: ${LATER}`, ETAG], 11, "other"],
    ["longer and newer", [200, `Last-Modified: ${LATEST}`, ETAG], 11, "other"],
    ["without date", [200, ETAG], 11, "other"],
    ["of no length", [200, DATE, ETAG], undefined, "other"],
    ["coded", [200, DATE, ETAG, "Content-Encoding: gzip"], 11, "other"],
    ["not found", [404, DATE, ETAG], 11, "other"],
  ] as [string, [number, ...string[]], number | undefined, string][]
) {
  Deno.test(`judgeForeign: a version that is ${what} → ${expected}`, () => {
    const head = headOf(...answer);
    const version = recordOf(URL_ASKED, { url: URL_ASKED, head, length }, PLAIN);
    assertEquals(judgeForeign(FOREIGN, version, head), expected);
  });
}

Deno.test("judgeForeign takes no decoded bytes, and an empty file for no part", () => {
  const head = headOf(200, DATE, ETAG), answer = { url: URL_ASKED, head, length: 10 };
  const decoded = recordOf(URL_ASKED, answer, { ...PLAIN, decoded: true });
  assertEquals(judgeForeign(FOREIGN, decoded, head), "other");
  const version = recordOf(URL_ASKED, answer, PLAIN);
  assertEquals(judgeForeign({ ...FOREIGN, size: 0 }, version, head), "other");
});
