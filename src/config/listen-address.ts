/** Where to listen. */
export interface ListenAddress {
  /** '' for all addresses. */
  readonly host: string;
  readonly port: number;
}

const FORM = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/;
const MAX_PORT = 65_535;

/** `host:port`, `[IPv6]:port`, or `:port` for all addresses, as Go writes them; undefined for anything else. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, v6, host, port] = FORM.exec(text) ?? [];
  if (port === undefined || Number(port) > MAX_PORT) return undefined;
  return { host: v6 ?? host ?? '', port: Number(port) };
}
