/**
 * The three forms of a date, what else is taken for one and what is not; Retry-After.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { parseHttpDate, retryAfter } from "../../protocol/http_date.ts";
import { fc } from "../support/fuzz.ts";

const NOW = new Date("2026-03-01T12:00:00Z");
const DATE = new Date("1994-11-06T08:49:37Z");

/** A date in the form of asctime, from the form that the runtime writes. */
function asctime(date: Date): string {
  const [weekday, day, month, year, time] = date.toUTCString().replace(",", "").split(" ");
  return `${weekday} ${month} ${day!.replace(/^0/, " ")} ${time} ${year}`;
}

/** A date in the form of RFC 850. */
function rfc850(date: Date): string {
  const [weekday, day, month, year, time] = date.toUTCString().replace(",", "").split(" ");
  return `${weekday}day, ${day}-${month}-${year!.slice(-2)} ${time} GMT`;
}

const dates = (min: string, max: string) =>
  fc.integer({ min: Date.parse(min) / 1000, max: Date.parse(max) / 1000 })
    .map((seconds) => new Date(seconds * 1000));

Deno.test("parseHttpDate reads the examples of RFC 9110", () => {
  assertEquals(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT", NOW), DATE);
  assertEquals(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT", NOW), DATE);
  assertEquals(parseHttpDate("Sun Nov  6 08:49:37 1994", NOW), DATE);
});

Deno.test("parseHttpDate reads each date in its three forms as the same", () => {
  fc.assert(fc.property(dates("0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"), (date) => {
    assertEquals(parseHttpDate(date.toUTCString(), NOW), date);
    assertEquals(parseHttpDate(asctime(date), NOW), date);
  }));
  fc.assert(fc.property(
    dates("1976-03-01T12:00:01Z", "2076-03-01T12:00:00Z"),
    (date) => assertEquals(parseHttpDate(rfc850(date), NOW), date),
  ));
});

Deno.test("parseHttpDate takes a year of two digits for at most 50 years after now", () => {
  const year = (text: string, now: string) =>
    parseHttpDate(`Sunday, ${text} 12:00:00 GMT`, new Date(now))?.getUTCFullYear();
  assertEquals(year("01-Mar-76", "2026-03-01T12:00:00Z"), 2076);
  assertEquals(year("01-Mar-76", "2026-03-01T11:59:59Z"), 1976);
  assertEquals(year("01-Mar-01", "2099-01-01T00:00:00Z"), 2101);
  assertEquals(year("01-Mar-60", "2099-01-01T00:00:00Z"), 2060);
  assertEquals(year("29-Feb-00", "2026-03-01T12:00:00Z"), 2000);
  // 29 February 2076 is after 2026-02-28 + 50 years, and 1976 has that day too
  assertEquals(year("29-Feb-76", "2026-02-28T00:00:00Z"), 1976);
});

Deno.test("parseHttpDate takes what servers send and can be read in one way only", () => {
  for (
    const text of [
      "sun, 06 nov 1994 08:49:37 gmt",
      "Sun, 6 Nov 1994 8:49:37 GMT",
      "Sun,06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994  08:49:37 GMT",
      "Mon, 06 Nov 1994 08:49:37 GMT",
      "06 Nov 1994 08:49:37 GMT",
      "Sun, 06-Nov-1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 06 Nov 1994 08:49:37 +0000",
      "Sun, 06 Nov 94 08:49:37 GMT",
      "Sun Nov 6 08:49:37 1994",
      "Sun Nov 06 08:49:37 1994 GMT",
    ]
  ) assertEquals(parseHttpDate(text, NOW), DATE, text);
});

Deno.test("parseHttpDate takes a leap second for the second after it", () => {
  const date = parseHttpDate("Sat, 31 Dec 2016 23:59:60 GMT", NOW);
  assertEquals(date, new Date("2017-01-01T00:00:00Z"));
});

Deno.test("parseHttpDate takes nothing else for a date", () => {
  for (
    const text of [
      "",
      "0",
      "-1",
      "1.5",
      "2, 2",
      "1994",
      "784111777",
      "1994-11-06T08:49:37Z",
      "Sun, 06 Nov 1994 08:49:37",
      "Sun, 06 Nov 1994 08:49:37 EST",
      "Sun, 06 Nov 1994 08:49:37 +0100",
      "Sun, 06 Nov 1994 08:49:37 -0500",
      "Sun, 06 Nov 1994",
      "Sun, 06 Nov-1994 08:49:37 GMT",
      "Sun, 00 Nov 1994 08:49:37 GMT",
      "Sun, 31 Nov 1994 08:49:37 GMT",
      "Wed, 29 Feb 2023 08:49:37 GMT",
      "Sun, 06 Foo 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:60:00 GMT",
      "Sun, 06 Nov 1994 08:49:61 GMT",
      "Sun, 06 Nov 194 08:49:37 GMT",
      "Sun, 06 Nov 19940 08:49:37 GMT",
      "Sun Nov  6 08:49:37 94",
      "Sun Nov  6 08:49:37 1994 EST",
      "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 GMT\n",
      "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ]
  ) assertEquals(parseHttpDate(text, NOW), undefined, text);
});

Deno.test("parseHttpDate takes no text of digits, signs and dots for a date", () => {
  fc.assert(fc.property(
    fc.string({ unit: fc.constantFrom(..."0123456789+-.,:TZ ") }),
    (text) => assertEquals(parseHttpDate(text, NOW), undefined),
  ));
});

Deno.test("retryAfter reads whole seconds", () => {
  assertEquals(retryAfter("0", NOW), 0);
  assertEquals(retryAfter("120", NOW), 120);
  assertEquals(retryAfter("007", NOW), 7);
  assertEquals(retryAfter("9".repeat(400), NOW), Number.MAX_SAFE_INTEGER);
});

Deno.test("retryAfter gives the seconds until a date, rounded up, and 0 for the past", () => {
  assertEquals(retryAfter("Sun, 01 Mar 2026 12:00:07 GMT", NOW), 7);
  assertEquals(retryAfter("Sun Mar  1 12:00:07 2026", NOW), 7);
  assertEquals(retryAfter("Sun, 01 Mar 2026 12:00:07 GMT", new Date(NOW.getTime() + 1)), 7);
  assertEquals(retryAfter("Sun, 01 Mar 2026 12:00:00 GMT", NOW), 0);
  assertEquals(retryAfter("Sun, 06 Nov 1994 08:49:37 GMT", NOW), 0);
});

Deno.test("retryAfter gives nothing for all else", () => {
  for (const text of ["", "1.5", "-1", "+1", "2, 2", "1e3", "0x10", "soon", "1 s", "٣"]) {
    assertEquals(retryAfter(text, NOW), undefined, text);
  }
});
