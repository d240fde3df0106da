/**
 * Through which proxy a URL is asked, and which hosts are reached without one.
 *
 * @module
 */
import { unbracketed } from "../mod.ts";
import { type HttpUrl, parseProxy, portOf } from "./request.ts";

/** Whether an IPv4 address is one of a block like `10.0.0.0/8` (RFC 4632). */
function isWithin(host: string, block: string): boolean {
  const number = (address: string) =>
    address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const [, base, bits] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(block) ?? [];
  if (base === undefined) return false;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(host) / size) === Math.floor(number(base) / size);
}

/**
 * Whether `no_proxy` names the URL's host: `*`, a domain (with its subdomains, a leading dot is
 * ignored) or an address, each with or without `:port`, or a block of IPv4 addresses.
 *
 *     "example.com"  http://a.example.com/  → true
 *     ".example.com" http://example.com/    → true
 *     "example.com"  http://anexample.com/  → false
 *     "a.com:8080"   http://a.com/          → false
 *     "10.0.0.0/8"   http://10.1.2.3/       → true
 */
export function bypassesProxy(noProxy: string, url: URL): boolean {
  const host = url.hostname.replace(/\.$/, "");
  return noProxy.toLowerCase().split(/[\s,]+/).filter(Boolean).some((entry) => {
    if (entry === "*" || isWithin(host, entry)) return true;
    const [, name = "", port] = /^\.?(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/
      .exec(entry) ?? [];
    if (port !== undefined && Number(port) !== portOf(url)) return false;
    const bare = unbracketed(name).replace(/\.$/, "");
    return unbracketed(host) === bare ||
      (bare !== "" && !/^[\d.:[\]]+$/.test(host) && host.endsWith(`.${bare}`));
  });
}

/** The proxy that `url` is asked through, if it is. */
export function proxyFor(
  url: URL,
  { proxy, noProxy = "" }: {
    proxy?: string | { http?: string; https?: string } | undefined;
    noProxy?: string | undefined;
  },
): HttpUrl | undefined {
  const text = typeof proxy === "object"
    ? proxy[url.protocol === "https:" ? "https" : "http"]
    : proxy;
  return text && !bypassesProxy(noProxy, url) ? parseProxy(text) : undefined;
}
