import type { ChannelOptions } from '../config/config.js';
import { isJson } from '../protocol/is-json.js';
import type { Bytes } from '../protocol/messages.js';

export type DataFormat = ChannelOptions['publication_data_format'];

/**
 * Whether a publication may have this payload (107 if not). Asked on every publish by clients and by the server API.
 * @param format  '': anything but nothing; 'binary': anything at all.
 */
export function acceptsData(format: DataFormat, data: Bytes): boolean {
  switch (format) {
    case 'json':
      return isJson(data);
    case 'json_object':
      return startsObject(data) && isJson(data);
    case 'binary':
      return true;
    default:
      return data.length > 0;
  }
}

function startsObject(data: Bytes): boolean {
  const first = data.find((byte) => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09);
  return first === 0x7b; // '{'
}
