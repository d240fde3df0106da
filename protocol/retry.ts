/**
 * Trying again: which answers may pass, and how long to wait.
 *
 * @module
 */
import { EXIT, TransientError, TrioError } from "../mod.ts";
import { type Head, valueOf } from "./head.ts";
import { retryAfter } from "./http_date.ts";
import { shown } from "./request.ts";

/** The longest pause between two tries, in seconds. */
const MAX_BACKOFF_S = 60;
/** The longest Retry-After that is waited for, in seconds. */
const MAX_RETRY_AFTER_S = 3600;
/** What may pass (RFC 9110 section 15, RFC 6585, RFC 8470, and those of proxies before a server). */
const TRANSIENT_STATUS = [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524];

/** What the error for a status is made of. */
export interface FailedAnswer {
  /** The URL that answered, without userinfo. */
  url: string;
  /** The status code. */
  status: number;
  /** The reason phrase. */
  statusText: string;
  /** The head. */
  head: Head;
}

/** The error for a status of 400 or more. */
export function statusError(answer: FailedAnswer, now: Date = new Date()): TrioError {
  const { status, url, head } = answer;
  const text = `${url} answered ${status} ${shown(answer.statusText)}`.trimEnd();
  const options = { topic: "status" };
  if (!TRANSIENT_STATUS.includes(status)) return new TrioError(EXIT.status, text, options);
  const wait = retryAfter(valueOf(head, "retry-after") ?? "", now);
  if (wait === undefined) return new TransientError(EXIT.status, text, options);
  const told = `${text} (retry after ${wait} s)`;
  return new TransientError(EXIT.status, told, { topic: "retry after", retryAfter: wait });
}

/**
 * The seconds to wait after so many tries: what the server asked for, else 1, 2, 4 … 60;
 * `undefined` if that is too long.
 */
export function pauseBefore(attempts: number, error: TrioError): number | undefined {
  const asked = error instanceof TransientError ? error.retryAfter : undefined;
  const pause = asked ?? Math.min(2 ** (attempts - 1), MAX_BACKOFF_S);
  return pause <= MAX_RETRY_AFTER_S ? pause : undefined;
}
