import type { Bytes } from '../protocol/messages.js';
import type { HttpResponse, HttpStream, StreamBody, StreamOwner } from './http.js';
import type * as uws from './uws.js';
import { writeResponse } from './write-response.js';

/**
 * The body of a response that goes on: the native response made safe to use at any time.
 *
 * What the library cannot hand to the kernel it keeps, and hands on with the next write; whoever has asked to be told of
 * room must write himself. A write of no more than its cork buffer (16 KiB) always counts as done: that it was not is only
 * seen at the next one. So at most one such write is kept unnoticed.
 */
export class ResponseBody implements StreamBody {
  private over = false;
  private begun = false;
  private owner: StreamOwner | undefined;
  /** Something was written since the last time there was room. */
  private written = false;

  constructor(
    private readonly res: uws.HttpResponse,
    private readonly stream: HttpStream,
  ) {}

  open(): void {
    this.res.onWritable(() => {
      this.writable();
      return true;
    });
    if (this.stream.preamble.length > 0 && !this.stream.mayRefuse) this.res.cork(() => this.begin());
    this.owner = this.stream.open(this);
  }

  write(bytes: Bytes): boolean {
    if (this.over) return true;
    this.written = true;
    let taken = true;
    this.res.cork(() => {
      this.begin();
      taken = this.res.write(bytes);
    });
    return taken;
  }

  end(bytes: Bytes): void {
    if (this.over) return;
    this.over = true;
    this.res.cork(() => {
      this.begin();
      this.res.end(bytes);
    });
  }

  refuse(answer: HttpResponse): boolean {
    if (this.over || this.begun) return false;
    this.over = true;
    this.res.cork(() => writeResponse(this.res, answer));
    return true;
  }

  destroy(): void {
    if (this.over) return;
    this.over = true;
    this.res.close();
  }

  /** The library's report, also after {@link destroy}. */
  aborted(): void {
    if (this.over) return;
    this.over = true;
    this.owner?.closed();
  }

  private writable(): void {
    if (this.over) return;
    this.written = false;
    this.owner?.writable();
    if (!this.written) this.write(this.stream.filler);
  }

  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.res.writeStatus('200 OK');
    for (const name in this.stream.headers) this.res.writeHeader(name, this.stream.headers[name]!);
    if (this.stream.preamble.length > 0) this.res.write(this.stream.preamble);
  }
}
