/**
 * HTTP servers as Debian has them, each with the least configuration that
 * serves the site, and some extra where it can: text generated on the fly,
 * compressed on the fly, compressed before, the query string sent back.
 *
 * @module
 */
import type { Chain } from "../support/certificates.ts";
import { find, type Launch, type Peer, startPeer } from "../support/peers.ts";
import { type HttpServer, LIGHTTPD_DEFLATE, type TlsServer } from "./matrix.ts";
import { HERE } from "./site.ts";

/** A version of TLS. */
export type TlsVersion = "1.2" | "1.3";

/** What a server is to do. */
export interface Serving {
  /** The folder of the site. */
  site: string;
  /** The address to listen on; else 127.0.0.1. */
  host?: string;
  /** Serve over TLS with this certificate, and only with this version. */
  tls?: { chain: Chain; version: TlsVersion };
  /** More servers, in nginx's configuration language, given its port. */
  more?: (port: number) => string;
}

type Prepare = (
  serving: Serving & { host: string },
  folder: string,
  port: number,
) => Launch | Promise<Launch>;

async function configure(folder: string, text: string): Promise<string> {
  const path = `${folder}/configuration`;
  await Deno.writeTextFile(path, text);
  return path;
}

const nginx: Prepare = async ({ site, host, tls, more }, folder, port) => {
  const secure = tls
    ? `ssl_certificate ${tls.chain.certificate};
  ssl_certificate_key ${tls.chain.key};
  ssl_protocols TLSv${tls.version};`
    : "";
  const path = await configure(
    folder,
    `
daemon off;
master_process off; # one process: it dies whole
pid ${folder}/pid;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  fastcgi_temp_path ${folder}/fastcgi;
  proxy_temp_path ${folder}/proxy;
  scgi_temp_path ${folder}/scgi;
  uwsgi_temp_path ${folder}/uwsgi;
  default_type text/plain;
  types { text/html html; application/octet-stream bin; }
  ${secure}
  server {
    listen ${host}:${port}${tls ? " ssl" : ""};
    root ${site};
    gzip on;
    gzip_types text/plain;
    gzip_static on;
    location = /cgi-bin/query { return 200 $args; }
    location = /cgi-bin/generated {
      alias ${site}/text.txt;
      gzip off;
      ssi on; # its length is not known before it is sent
      ssi_types *;
    }
  }
  ${more?.(port) ?? ""}
}`,
  );
  return { command: ["nginx", "-e", "stderr", "-p", folder, "-c", path] };
};

const apache2: Prepare = async ({ site, host }, folder, port) => {
  const modules =
    "mpm_event authz_core dir mime alias cgi filter deflate setenvif env headers rewrite"
      .split(" ").map((name) =>
        `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`
      );
  const path = await configure(
    folder,
    `
${modules.join("\n")}
ServerName localhost
Listen ${host}:${port}
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
ErrorLog /dev/stderr
TypesConfig /dev/null
AddType text/plain .txt
AddType text/html .html
${Deno.uid() === 0 ? "User www-data\nGroup www-data" : ""}

DocumentRoot ${site}
ScriptAlias /cgi-bin/ ${site}/cgi-bin/
<Location /text.txt>
  SetOutputFilter DEFLATE
</Location>
<Location /packed.txt>
  RewriteEngine on
  RewriteCond %{HTTP:Accept-Encoding} gzip
  RewriteRule ^ ${site}/packed.txt.gz [END]
</Location>
<Files packed.txt.gz>
  Header set Content-Encoding gzip
</Files>

<Location /old/>
  SetEnv downgrade-1.0
  SetEnv force-response-1.0
</Location>
`,
  );
  return { command: ["apache2", "-X", "-f", path] }; // -X: one process
};

const lighttpd: Prepare = async ({ site, host }, folder, port) => {
  const deflates = find(LIGHTTPD_DEFLATE) !== undefined;
  const path = await configure(
    folder,
    `
server.modules = ("mod_alias", "mod_cgi", ${deflates ? '"mod_deflate", ' : ""}"mod_setenv")
server.bind = "${host}"
server.port = ${port}
server.errorlog = "/dev/stderr"
server.document-root = "${site}"
server.upload-dirs = ("${folder}")
server.stream-response-body = 1 # as it comes: so it is chunked
index-file.names = ("index.html")
mimetype.assign = (
  ".txt" => "text/plain",
  ".html" => "text/html",
  "" => "application/octet-stream", # else it sends no Last-Modified
)
$HTTP["url"] =~ "^/cgi-bin/" { cgi.assign = ("" => "") }
${
      deflates
        ? `
$HTTP["url"] == "/text.txt" {
  deflate.mimetypes = ("text/plain")
  deflate.allowed-encodings = ("gzip")
  deflate.max-loadavg = "10000.00" # however busy the machine is
}`
        : ""
    }
$REQUEST_HEADER["Accept-Encoding"] =~ "gzip" {
  $HTTP["url"] == "/packed.txt" {
    alias.url = ("/packed.txt" => "${site}/packed.txt.gz")
    setenv.set-response-header = ("Content-Encoding" => "gzip")
  }
}
$HTTP["url"] =~ "^/old/" { server.protocol-http11 = "disable" }
`,
  );
  return { command: ["lighttpd", "-D", "-f", path] };
};

const caddy: Prepare = async ({ site, host, tls }, folder, port) => {
  const secure = tls
    ? `tls ${tls.chain.certificate} ${tls.chain.key} {
		protocols tls${tls.version} tls${tls.version}
	}`
    : "";
  const path = await configure(
    folder,
    `
{
	admin off
	auto_https off
	storage file_system ${folder}
}
${tls ? "https" : "http"}://:${port} {
	bind ${host}
	${secure}
	root * ${site}
	handle /cgi-bin/query {
		respond {query}
	}
	handle /cgi-bin/generated {
		rewrite * /text.txt
		header {
			-Content-Length
			defer
		}
		file_server
	}
	handle {
		encode gzip
		file_server {
			precompressed gzip
		}
	}
}
`,
  );
  return {
    command: ["caddy", "run", "--adapter", "caddyfile", "--config", path],
    // where else it would leave things
    env: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
  };
};

const busybox: Prepare = ({ site, host }, _, port) => ({
  command: ["busybox", "httpd", "-f", "-p", `${host}:${port}`, "-h", site],
  forks: true,
});

const python: Prepare = ({ site, host }) => ({
  command: ["python3", "-m", "http.server", "--bind", bare(host), "0"],
  env: { PYTHONUNBUFFERED: "1" },
  cwd: site,
  says: ["stdout", /port (\d+)/],
});

const node: Prepare = ({ site, host }) => ({
  command: ["node", `${HERE}node_http.mjs`, bare(host), site],
  says: ["stdout", /port (\d+)/],
});

const deno: Prepare = ({ site, host }) => ({
  command: [
    Deno.execPath(),
    ..."run --no-prompt --allow-net --allow-read".split(" "),
    `${HERE}deno_serve.mjs`,
    bare(host),
    site,
  ],
  says: ["stdout", /port (\d+)/],
});

/** What sends one answer to all requests, and never closes a connection. */
async function sendAnswer(site: string, folder: string): Promise<string> {
  const body = await Deno.readTextFile(`${site}/small.txt`);
  const length = new TextEncoder().encode(body).length;
  const head = `HTTP/1.1 200 OK\r
Content-Length: ${length}\r
Connection: keep-alive\r
\r
`;
  const path = `${folder}/send`;
  await Deno.writeTextFile(`${folder}/answer`, head + body);
  await Deno.writeTextFile(path, `cat ${folder}/answer; exec cat >/dev/null\n`);
  return path;
}

const ncat: Prepare = async ({ site, host }, folder, port) => ({
  // deno-fmt-ignore
  command: [
    "ncat", "-v", "-l", "-k", bare(host), String(port),
    "-c", `sh ${await sendAnswer(site, folder)}`,
  ],
  says: ["stderr", /Listening on .*/],
  forks: true,
});

const socat: Prepare = async ({ site, host }, folder) => ({
  // deno-fmt-ignore
  command: [
    "socat", "-d", "-d", `TCP-LISTEN:0,bind=${host},fork`,
    `EXEC:sh ${await sendAnswer(site, folder)}`,
  ],
  says: ["stderr", /listening on .*:(\d+)/],
  forks: true,
});

/** It serves files over TLS only, each one until the connection ends. */
const openssl: Prepare = ({ site, host, tls }) => ({
  // deno-fmt-ignore
  command: [
    "openssl", "s_server", "-WWW", "-accept", `${host}:0`,
    `-tls${tls!.version.replace(".", "_")}`,
    "-cert", tls!.chain.leaf, "-key", tls!.chain.key,
    ...tls!.chain.rest ? ["-cert_chain", tls!.chain.rest] : [],
  ],
  cwd: site,
  says: ["stdout", /ACCEPT .*:(\d+)/],
});

/** An address without the brackets it has in a URL. */
function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

const HTTP_SERVERS: Record<HttpServer | TlsServer, Prepare> = {
  nginx,
  "Apache httpd": apache2,
  lighttpd,
  Caddy: caddy,
  "busybox httpd": busybox,
  "python3 -m http.server": python,
  "Node http": node,
  "Deno.serve": deno,
  "ncat -c cat": ncat,
  "socat EXEC cat": socat,
  "openssl s_server": openssl,
};

/** Starts an HTTP server. */
export function serveSite(
  server: HttpServer | TlsServer,
  { host = "127.0.0.1", ...serving }: Serving,
): Promise<Peer> {
  return startPeer(
    (folder, port) => HTTP_SERVERS[server]({ ...serving, host }, folder, port),
    host,
  );
}
