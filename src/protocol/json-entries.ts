/** Publications of a reply as JSON; entries in one pass over their bytes. */
import { asBuffer } from '../lib/bytes.js';
import { decodeEntry, ENTRY_JSON, entryEnd, entryFlags, entryOffset, NOT_ONLY_DATA, onlyData } from './entry.js';
import type { JsonWriter } from './json-writer.js';
import type { Bytes, Publication, Publications } from './messages.js';

/** Writes the fields of a publication that has more than data, or data that must be looked at. */
export type WriteFields = (w: JsonWriter, pub: Publication) => void;

/** The field `publications`. @throws InappropriatePayload */
export function writePublications(w: JsonWriter, publications: Publications, writeFields: WriteFields): void {
  w.key('publications');
  w.ascii('[');
  if ('bytes' in publications)
    w.once(writeFields, publications.encoded, () => writeEntries(w, publications.bytes, writeFields));
  else for (const pub of publications) writePublication(w, pub, writeFields);
  w.ascii(']');
}

function writePublication(w: JsonWriter, pub: Publication, writeFields: WriteFields): void {
  w.comma();
  w.open();
  writeFields(w, pub);
  w.close();
}

function writeEntries(w: JsonWriter, bytes: Bytes, writeFields: WriteFields): void {
  const entries = asBuffer(bytes);
  for (let at = 0, end = 0; at < entries.length; at = end) {
    end = entryEnd(entries, at);
    const data = (entryFlags(entries, at) & ENTRY_JSON) !== 0 ? onlyData(entries, at, end) : NOT_ONLY_DATA;
    if (data === NOT_ONLY_DATA) {
      writePublication(w, decodeEntry(entries.subarray(at, end)), writeFields);
      continue;
    }
    w.comma();
    w.ascii('{"data":');
    w.range(entries, data, end);
    w.numberField('offset', entryOffset(entries, at));
    w.close();
  }
}
