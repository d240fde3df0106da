/**
 * What this suite exercises with which peer. The tests are made from these
 * lists, and so is docs/compatibility.md: `deno run -A tests/compat/table.ts`.
 *
 * @module
 */
import type { Program } from "../support/peers.ts";

/** A peer and what is exercised with it. */
export interface Row<Peer extends string, Exercise extends string> {
  /** The name of the peer. */
  peer: Peer;
  /** What must be installed. */
  needs: readonly Program[];
  /** What is exercised. */
  exercised: readonly Exercise[];
  /** What must be installed for one exercise, beside that. */
  alsoNeeds?: Partial<Record<Exercise, readonly Program[]>>;
}

/**
 * Whether no peer above this one is exercised so. The command is run with the first; with the
 * others the library does the same, without a process.
 */
export function isFirst<Exercise extends string>(
  rows: readonly { peer: string; exercised: readonly Exercise[] }[],
  peer: string,
  exercise: NoInfer<Exercise>,
): boolean {
  return rows.find(({ exercised }) => exercised.includes(exercise))?.peer === peer;
}

const EVERY_HTTP_SERVER = [
  "a small file",
  "a file of 2 MB",
  "an empty file",
  "a file that is missing (404)",
  "a folder without its slash",
  "HEAD",
  "a space in the name",
  "中文 in the name",
  "`%` in the name",
  "a query string",
  "IPv6",
  "killed in the middle, started again: `-C`",
  "killed in the middle, started again: `--retry`",
] as const;

/** What is exercised with an HTTP server. */
export type HttpExercise =
  | typeof EVERY_HTTP_SERVER[number]
  | "a range (206)"
  | "no ranges: starts afresh"
  | "the query string sent back"
  | "chunked"
  | "a body that ends with the connection"
  | "gzip on the fly"
  | "gzip made before"
  | "HTTP/1.0"
  | "keep-alive in spite of `Connection: close`";

/** An HTTP server. */
export type HttpServer =
  | "nginx"
  | "Apache httpd"
  | "lighttpd"
  | "Caddy"
  | "busybox httpd"
  | "python3 -m http.server"
  | "Node http"
  | "Deno.serve"
  | "ncat -c cat"
  | "socat EXEC cat";

const GENERATES = [
  "a range (206)",
  "the query string sent back",
  "chunked",
  "gzip on the fly",
  "gzip made before",
] as const;

/** The module of lighttpd that compresses. */
export const LIGHTTPD_DEFLATE = "/usr/lib/lighttpd/mod_deflate.so";

/** fetch.ts from HTTP servers. */
export const HTTP: readonly Row<HttpServer, HttpExercise>[] = [
  { peer: "nginx", needs: ["nginx"], exercised: [...EVERY_HTTP_SERVER, ...GENERATES] },
  {
    peer: "Apache httpd",
    needs: ["apache2"],
    exercised: [...EVERY_HTTP_SERVER, ...GENERATES, "HTTP/1.0"],
  },
  {
    peer: "lighttpd",
    needs: ["lighttpd"],
    exercised: [...EVERY_HTTP_SERVER, ...GENERATES, "HTTP/1.0"],
    alsoNeeds: { "gzip on the fly": [LIGHTTPD_DEFLATE] },
  },
  { peer: "Caddy", needs: ["caddy"], exercised: [...EVERY_HTTP_SERVER, ...GENERATES] },
  {
    peer: "busybox httpd",
    needs: ["busybox", "setsid"],
    exercised: [
      ...EVERY_HTTP_SERVER,
      "a range (206)",
      "the query string sent back",
      "a body that ends with the connection",
      "gzip made before",
    ],
  },
  {
    peer: "python3 -m http.server",
    needs: ["python3"],
    exercised: [...EVERY_HTTP_SERVER, "no ranges: starts afresh", "HTTP/1.0"],
  },
  {
    peer: "Node http",
    needs: ["node"],
    exercised: [...EVERY_HTTP_SERVER, ...GENERATES, "keep-alive in spite of `Connection: close`"],
  },
  { peer: "Deno.serve", needs: [], exercised: [...EVERY_HTTP_SERVER, ...GENERATES] },
  {
    peer: "ncat -c cat",
    needs: ["ncat", "setsid"],
    exercised: ["keep-alive in spite of `Connection: close`"],
  },
  {
    peer: "socat EXEC cat",
    needs: ["socat", "setsid"],
    exercised: ["keep-alive in spite of `Connection: close`"],
  },
];

/** What is exercised with an HTTPS server. */
export type TlsExercise =
  | "TLS 1.2"
  | "TLS 1.3"
  | "a certificate for another name"
  | "a certificate that expired"
  | "a CA that nobody knows"
  | "a missing intermediate certificate"
  | "an abrupt end"
  | "from http to https, to another name"
  | "the default URL";

/** An HTTPS server. */
export type TlsServer = "nginx" | "Caddy" | "openssl s_server";

const EVERY_TLS_SERVER = [
  "TLS 1.2",
  "TLS 1.3",
  "a certificate for another name",
  "a certificate that expired",
  "a CA that nobody knows",
  "a missing intermediate certificate",
  "an abrupt end",
] as const;

/** fetch.ts from HTTPS servers. */
export const TLS: readonly Row<TlsServer, TlsExercise>[] = [
  {
    peer: "nginx",
    needs: ["nginx", "openssl"],
    exercised: [...EVERY_TLS_SERVER, "from http to https, to another name", "the default URL"],
  },
  { peer: "Caddy", needs: ["caddy", "openssl"], exercised: EVERY_TLS_SERVER },
  { peer: "openssl s_server", needs: ["openssl"], exercised: EVERY_TLS_SERVER },
];

/** What is exercised with a proxy. */
export type ProxyExercise =
  | "http: the whole URL is asked"
  | "https: CONNECT"
  | "credentials"
  | "wrong credentials"
  | "a server that is down behind it"
  | "`http_proxy`, `https_proxy` and `no_proxy`";

/** fetch.ts through proxies. */
export const PROXIES = [
  {
    peer: "tinyproxy",
    needs: ["tinyproxy", "nginx", "openssl"],
    exercised: [
      "http: the whole URL is asked",
      "https: CONNECT",
      "a server that is down behind it",
      "`http_proxy`, `https_proxy` and `no_proxy`",
    ],
  },
  {
    peer: "tinyproxy with BasicAuth",
    needs: ["tinyproxy", "nginx", "openssl"],
    exercised: ["credentials", "wrong credentials"],
  },
] as const satisfies readonly Row<string, ProxyExercise>[];

/** What is exercised with a client of server.ts. */
export type TypistExercise =
  | "each line gets its reply"
  | "中文"
  | "`exit` ends it"
  | "lines from a pipe, `exit` last"
  | "half-close: what was sent before is answered";

const TYPED = [
  "each line gets its reply",
  "中文",
  "`exit` ends it",
] as const;
/** What is piped in, and not typed. */
export const PIPED = "lines from a pipe, `exit` last";
/** The same, and the connection is open for the replies alone. */
export const HALF_CLOSED = "half-close: what was sent before is answered";

/** server.ts with the programs people type into. */
export const TYPISTS = [
  { peer: "nc (OpenBSD)", needs: ["nc.openbsd"], exercised: [...TYPED, PIPED, HALF_CLOSED] },
  { peer: "nc (traditional)", needs: ["nc.traditional"], exercised: [...TYPED, PIPED] },
  { peer: "ncat", needs: ["ncat"], exercised: [...TYPED, PIPED, HALF_CLOSED] },
  { peer: "socat", needs: ["socat"], exercised: [...TYPED, PIPED, HALF_CLOSED] },
  // It closes where its input ends, before the replies come.
  { peer: "telnet", needs: ["telnet"], exercised: TYPED },
  // It shows no reply that takes long before the next line is typed.
  { peer: "curl telnet://", needs: ["curl"], exercised: ["`exit` ends it", PIPED] },
  { peer: "bash /dev/tcp", needs: ["bash"], exercised: [...TYPED, PIPED] },
  { peer: "Python socket", needs: ["python3"], exercised: [...TYPED, PIPED, HALF_CLOSED] },
  { peer: "Python asyncio", needs: ["python3"], exercised: [...TYPED, PIPED, HALF_CLOSED] },
  { peer: "Node net", needs: ["node"], exercised: [...TYPED, PIPED, HALF_CLOSED] },
  { peer: "Deno streams", needs: [], exercised: [...TYPED, PIPED, HALF_CLOSED] },
] as const satisfies readonly Row<string, TypistExercise>[];

/** What is exercised with a server that client.ts greets. */
export type GreeterExercise =
  | "Michael, Tracy and Sarah"
  | "中文, and a name of 1,000 bytes"
  | "names from standard input"
  | "`--lines`"
  | "`--tls`, and a CA that nobody knows";

const GREETED = [
  "Michael, Tracy and Sarah",
  "中文, and a name of 1,000 bytes",
  "names from standard input",
] as const;

/** client.ts with servers that greet. */
export const GREETERS = [
  { peer: "Python threads", needs: ["python3"], exercised: GREETED },
  { peer: "Python socketserver", needs: ["python3"], exercised: [...GREETED, "`--lines`"] },
  { peer: "Python asyncio", needs: ["python3"], exercised: [...GREETED, "`--lines`"] },
  {
    peer: "ncat -c",
    needs: ["ncat", "setsid", "openssl"],
    exercised: [...GREETED, "`--lines`", "`--tls`, and a CA that nobody knows"],
  },
  {
    peer: "socat EXEC",
    needs: ["socat", "setsid", "openssl"],
    exercised: [...GREETED, "`--lines`", "`--tls`, and a CA that nobody knows"],
  },
  { peer: "Node net", needs: ["node"], exercised: [...GREETED, "`--lines`"] },
] as const satisfies readonly Row<string, GreeterExercise>[];

/** What is exercised with the tutorial's programs. */
export type TutorialExercise =
  | "the client cannot tell server.ts from the tutorial's"
  | "the server cannot tell client.ts from the tutorial's"
  | "the GET saves what fetch.ts saves";

/** The tutorial's programs. */
export const TUTORIAL: Row<"python3", TutorialExercise> = {
  peer: "python3",
  needs: ["python3"],
  exercised: [
    "the client cannot tell server.ts from the tutorial's",
    "the server cannot tell client.ts from the tutorial's",
    "the GET saves what fetch.ts saves",
  ],
};

/** All of it, with headings. */
export const SECTIONS: readonly {
  title: string;
  about: string;
  rows: readonly Row<string, string>[];
}[] = [
  {
    title: "fetch.ts: HTTP servers",
    about:
      "curl downloads each of these URLs too: the same bytes, the same status, the same final URL.",
    rows: HTTP,
  },
  {
    title: "fetch.ts: HTTPS servers",
    about:
      "With a CA, an intermediate CA and certificates made for the run. What is refused is refused by curl too, with the same exit code.",
    rows: TLS,
  },
  {
    title: "fetch.ts: proxies",
    about: "With nginx behind them; exit codes are compared with curl's.",
    rows: PROXIES,
  },
  {
    title: "server.ts: clients",
    about: "What a person types, or pipes in, and what they see.",
    rows: TYPISTS,
  },
  {
    title: "client.ts: servers",
    about: "Servers that greet, in other languages; `ncat -c` and `socat EXEC` run a shell script.",
    rows: GREETERS,
  },
  {
    title: "The tutorial's programs",
    about:
      "Three Python programs on plain sockets, on the oldest and the newest python3 that the machine has; relays record what passes, and it is compared byte for byte.",
    rows: [TUTORIAL],
  },
];
