/**
 * Questions to the other nodes: one request to everybody or to one, an answer from each to the asking node (centrifuge
 * `Node.Survey`).
 *
 * A survey ends when every node that was asked and known at its start has answered or left, or after {@link SURVEY_TIMEOUT_MS} in
 * failure: a part of the answer would look like all of it.
 */
import { errors } from '../protocol/codes.js';
import type { Bytes } from '../protocol/messages.js';
import type { ControlMessage, SurveyRequest, SurveyResponse } from './control-messages.js';

export const SURVEY_TIMEOUT_MS = 10_000;
export const OPEN_SURVEYS_MAX = 256;

/** Codes of failed answers that Centrifugo gives and understands. */
export const surveyCodes = { internal: 1, invalidRequest: 2, methodNotFound: 3 } as const;

export interface SurveyReply {
  /** 0 for success. */
  readonly code: number;
  readonly data: Bytes;
}

export interface SurveyDeps {
  /** See Controller.publish. */
  send(message: ControlMessage, nodeUid: string): Promise<void>;
  /** Uids of the other nodes as far as they are known. */
  others(): Iterable<string>;
  /** This node's answer to another. Does not reject. */
  answer(op: string, data: Bytes): Promise<SurveyReply>;
  readonly log: { warn(fields: object, message: string): void };
}

interface Survey {
  readonly awaited: Set<string>;
  /** By uid. */
  readonly replies: Map<string, SurveyReply>;
  readonly timer: NodeJS.Timeout;
  end(failure?: unknown): void;
}

export class Surveys {
  readonly #open = new Map<number, Survey>();
  #lastId = 0;

  constructor(private readonly deps: SurveyDeps) {}

  /**
   * @returns the replies of the other nodes, in no order. Rejects with 100 if one does not answer or the request could not be
   * sent, with 111 if too many surveys are open.
   */
  ask(op: string, data: Bytes): Promise<SurveyReply[]> {
    const others = [...this.deps.others()];
    return others.length === 0 ? Promise.resolve([]) : this.#ask(others, op, data, '');
  }

  /** {@link ask} one node, which is known. No reply if it leaves meanwhile. */
  async askOne(uid: string, op: string, data: Bytes): Promise<SurveyReply | undefined> {
    const [reply] = await this.#ask([uid], op, data, uid);
    return reply;
  }

  /** Another node asks. */
  async asked(from: string, { id, op, data }: SurveyRequest): Promise<void> {
    const reply = await this.deps.answer(op, data);
    await this.deps.send({ kind: 'survey_response', response: { id, ...reply } }, from);
  }

  /** Another node answers. Also one that was not known when it was asked. */
  answered(from: string, { id, code, data }: SurveyResponse): void {
    const survey = this.#open.get(id);
    if (survey === undefined) return;
    survey.replies.set(from, { code, data: Buffer.from(data) });
    survey.awaited.delete(from);
    if (survey.awaited.size === 0) survey.end();
  }

  /** A node is gone: it is not waited for any more. */
  left(uid: string): void {
    for (const survey of this.#open.values()) {
      if (survey.awaited.delete(uid) && survey.awaited.size === 0) survey.end();
    }
  }

  #ask(others: readonly string[], op: string, data: Bytes, to: string): Promise<SurveyReply[]> {
    return new Promise((resolve, reject) => {
      if (this.#open.size >= OPEN_SURVEYS_MAX) {
        reject(errors.tooManyRequests);
        return;
      }
      const id = ++this.#lastId;
      const survey: Survey = {
        awaited: new Set(others),
        replies: new Map(),
        timer: setTimeout(() => {
          this.deps.log.warn({ op, nodes: [...survey.awaited] }, 'nodes did not answer a survey');
          survey.end(errors.internal);
        }, SURVEY_TIMEOUT_MS),
        end: (failure) => {
          clearTimeout(survey.timer);
          this.#open.delete(id);
          if (failure === undefined) resolve([...survey.replies.values()]);
          else reject(failure);
        },
      };
      this.#open.set(id, survey);
      this.deps.send({ kind: 'survey_request', request: { id, op, data } }, to).catch(survey.end);
    });
  }
}
