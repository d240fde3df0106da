/**
 * The dates of HTTP (RFC 9110 section 5.6.7): GMT in each of their three forms.
 *
 * `Date.parse` does not serve: it takes `0` and `1.5` for dates, and asctime for local time.
 *
 * @module
 */

/** The months as all forms write them, lower case. */
const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");

/** IMF-fixdate `Sun, 06 Nov 1994 08:49:37 GMT`, RFC 850 `Sunday, 06-Nov-94 08:49:37 GMT`. */
const WITH_ZONE = new RegExp(
  "^(?:[a-z]+, *)?(?<day>\\d\\d?)([ -])(?<month>[a-z]{3})\\2(?<year>\\d{4}|\\d\\d)" +
    " +(?<hour>\\d\\d?):(?<minute>\\d\\d):(?<second>\\d\\d) *(?:GMT|UTC?|[+-]0000)$",
  "i",
);

/** asctime `Sun Nov  6 08:49:37 1994`; a GMT behind it says what is meant anyway. */
const ASCTIME = new RegExp(
  "^[a-z]+ +(?<month>[a-z]{3}) +(?<day>\\d\\d?)" +
    " +(?<hour>\\d\\d?):(?<minute>\\d\\d):(?<second>\\d\\d) +(?<year>\\d{4})(?: GMT)?$",
  "i",
);

/**
 * Reads a date of HTTP, in whole seconds; undefined for all that is none.
 *
 * As curl, it also takes what can be read in one way only: letters in either case, a day or an
 * hour of one digit, more spaces or none, the wrong day of the week or none, years of four digits
 * with dashes (as in cookies), and `UTC` or `+0000` for `GMT`. A zone that is missing or another,
 * and a day that the month has not, are no date.
 *
 * | text                             | is                                               |
 * |----------------------------------|--------------------------------------------------|
 * | `Sun, 06 Nov 1994 08:49:37 GMT`  | 1994-11-06T08:49:37Z                             |
 * | `Sunday, 06-Nov-94 08:49:37 GMT` | the same: at most 50 years after `now`           |
 * | `Sun Nov  6 08:49:37 1994`       | the same                                         |
 * | `Sun, 6-Nov-1994 8:49:37 UTC`    | the same                                         |
 * | `Sun, 06 Nov 1994 08:49:37 EST`, `1994-11-06T08:49:37Z`, `0`, `1.5` | undefined     |
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const now = new Date("2026-01-01T00:00:00Z");
 * const date = parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT", now);
 * assertEquals(date, new Date("1994-11-06T08:49:37Z"));
 * assertEquals(parseHttpDate("0", now), undefined);
 * ```
 *
 * @param now What decides the century of a year of two digits.
 */
export function parseHttpDate(text: string, now: Date): Date | undefined {
  const parts = (WITH_ZONE.exec(text) ?? ASCTIME.exec(text))?.groups;
  if (!parts) return undefined;
  const month = MONTHS.indexOf(parts.month!.toLowerCase());
  const [day, hour, minute, second] = [parts.day, parts.hour, parts.minute, parts.second]
    .map(Number) as [number, number, number, number];
  // a leap second is the first one of the next minute, as for the clocks of most servers
  if (month < 0 || hour > 23 || minute > 59 || second > 60) return undefined;
  const dateIn = (year: number) => {
    const date = new Date(0); // Date.UTC takes the years 0 to 99 for 1900 to 1999
    date.setUTCFullYear(year, month, day);
    const exists = date.getUTCDate() === day;
    date.setUTCHours(hour, minute, second);
    return exists ? date : undefined;
  };
  if (parts.year!.length === 4) return dateIn(Number(parts.year));
  const latest = new Date(now);
  latest.setUTCFullYear(now.getUTCFullYear() + 50);
  const year = Math.floor(latest.getUTCFullYear() / 100) * 100 + Number(parts.year);
  return dateIn((dateIn(year) ?? 0) > latest ? year - 100 : year);
}

/**
 * Reads Retry-After: the whole seconds from `now` on (RFC 9110 section 10.2.3). It is a number of
 * them or a date, 0 for one that has passed; undefined for all else, as `1.5`, `-1` or `2, 2`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const now = new Date("1994-11-06T08:49:30Z");
 * assertEquals(retryAfter("120", now), 120);
 * assertEquals(retryAfter("Sun, 06 Nov 1994 08:49:37 GMT", now), 7);
 * assertEquals(retryAfter("1.5", now), undefined);
 * ```
 */
export function retryAfter(text: string, now: Date): number | undefined {
  if (/^\d+$/.test(text)) return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
  const date = parseHttpDate(text, now);
  return date && Math.max(0, Math.ceil((date.getTime() - now.getTime()) / 1000));
}
