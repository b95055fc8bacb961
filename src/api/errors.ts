import type { ClientError } from '../protocol/codes.js';

/** An error as applications are told it: `{"code": …, "message": …}`. */
export interface ApiError {
  readonly code: number;
  readonly message: string;
}

const error = (code: number, message: string): ApiError => Object.freeze({ code, message });

export const apiErrors = {
  internal: error(100, 'internal server error'),
  unknownChannel: error(102, 'unknown channel'),
  notFound: error(104, 'not found'),
  badRequest: error(107, 'bad request'),
  notAvailable: error(108, 'not available'),
  tooManyRequests: error(111, 'too many requests'),
  unrecoverablePosition: error(112, 'unrecoverable position'),
} as const;

/** Statuses of error mode "transport". Codes without one are 500. */
const statuses = new Map<number, number>([
  [apiErrors.unknownChannel.code, 404],
  [apiErrors.notFound.code, 404],
  [apiErrors.badRequest.code, 400],
  [apiErrors.notAvailable.code, 400],
  [apiErrors.unrecoverablePosition.code, 416],
]);

export const httpStatus = (apiError: ApiError): number => statuses.get(apiError.code) ?? 500;

const byCode = new Map<number, ApiError>(Object.values(apiErrors).map((apiError) => [apiError.code, apiError]));

/** What the data path says, as far as an application can act on it. The rest is the server's fault. */
export const fromClientError = (refusal: ClientError): ApiError => byCode.get(refusal.code) ?? apiErrors.internal;
