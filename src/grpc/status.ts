import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { type ApiError, apiErrors } from '../api/errors.js';
import { ProtoWriter } from '../protocol/proto-writer.js';

/** Codes without one are INTERNAL. */
const codes = new Map<number, status>([
  [apiErrors.unknownChannel.code, status.NOT_FOUND],
  [apiErrors.notFound.code, status.NOT_FOUND],
  [apiErrors.badRequest.code, status.INVALID_ARGUMENT],
  [apiErrors.notAvailable.code, status.INVALID_ARGUMENT],
  [apiErrors.unrecoverablePosition.code, status.OUT_OF_RANGE],
]);

/** Error mode "transport": the call's status tells, with the error itself as its detail. */
export function statusOf(error: ApiError): StatusObject {
  const code = codes.get(error.code) ?? status.INTERNAL;
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', encodeStatus(code, error));
  return { code, details: error.message, metadata };
}

const scratch = new ProtoWriter(256);

/** `google.rpc.Status {code = 1, message = 2, details = 3}`, whose details are `Any {type_url = 1, value = 2}`. */
function encodeStatus(code: status, error: ApiError): Buffer {
  scratch.reset();
  scratch.numberField(1, code);
  scratch.textField(2, error.message);
  const detail = scratch.open(3);
  scratch.textField(1, 'type.googleapis.com/centrifugal.centrifugo.api.Error');
  const value = scratch.open(2);
  scratch.numberField(1, error.code);
  scratch.textField(2, error.message);
  scratch.close(value);
  scratch.close(detail);
  return scratch.copy();
}
