/** Recorded from Redis below two Centrifugo 6.9.1 nodes. All of it in base64, times in ms. */

export const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64');

/** The times in the publications below. */
export const at = {
  first: 1795518277742,
  tags: 1795518278004,
  key: 1795518278258,
  info: 1795518287073,
  delta: 1795518285236,
  stored: 1795518279539,
  deltas: [1795518284185, 1795518284447],
};

export const recorded = {
  plain: 'Igd7Im4iOjF9SO7Q6umgNA==',
  tags: 'Igd7Im4iOjJ9OgYKAWESAWI6BgoBaxIBdkj00urpoDQ=',
  key: 'Igd7Im4iOjN9SPLU6umgNA==',
  info: 'IhF7ImZyb20iOiJjbGllbnQifSo6CgJ1MhIkNzZhNTA4OGQtY2U4YS00ODU3LTk1ZGEtOWZmMjU3ZDFiMmQzGg57Im5hbWUiOiJCb2IifUjhmevpoDQ=',
  /** Not stored, with delta. */
  delta: 'Igd7Im4iOjF9QAFItIvr6aA0',
  /** In the stream. */
  stored: 'Igd7Im4iOjF9SPPe6umgNA==',
  storedMessage: 'X19wMToxOkpnclp5dWNEX18iB3sibiI6MX1I897q6aA0',
  /** Two that follow one another in a stream. */
  deltas: [
    {
      data: '{"text":"a long enough text to make a delta worth it","n":1}',
      bytes: 'Ijx7InRleHQiOiJhIGxvbmcgZW5vdWdoIHRleHQgdG8gbWFrZSBhIGRlbHRhIHdvcnRoIGl0IiwibiI6MX1ImYPr6aA0',
    },
    {
      data: '{"text":"a long enough text to make a delta worth it","n":2}',
      bytes: 'Ijx7InRleHQiOiJhIGxvbmcgZW5vdWdoIHRleHQgdG8gbWFrZSBhIGRlbHRhIHdvcnRoIGl0IiwibiI6Mn1In4Xr6aA0',
    },
  ],
  deltaMessage:
    'X19kMToyOkJ3Y3RJRWZzOjY5OiI8eyJ0ZXh0IjoiYSBsb25nIGVub3VnaCB0ZXh0IHRvIG1ha2UgYSBkZWx0YSB3b3J0aCBpdCIsIm4iOjF9SJmD6+mgNDo2OToiPHsidGV4dCI6ImEgbG9uZyBlbm91Z2ggdGV4dCB0byBtYWtlIGEgZGVsdGEgd29ydGggaXQiLCJuIjoyfUifhevpoDQ=',
  listDeltaMessage:
    'X19kMToyOmJtR1dUT0ZYOjg2Ol9fcDE6MTpibUdXVE9GWF9fIjx7InRleHQiOiJhIGxvbmcgZW5vdWdoIHRleHQgdG8gbWFrZSBhIGRlbHRhIHdvcnRoIGl0IiwibiI6MX1Iwbvr6aA0OjY5OiI8eyJ0ZXh0IjoiYSBsb25nIGVub3VnaCB0ZXh0IHRvIG1ha2UgYSBkZWx0YSB3b3J0aCBpdCIsIm4iOjJ9SMa96+mgNA==',
  join: 'X19qX18KAnUxEiQzZjExODM5Yy0yM2U0LTQxOTQtOTY0Zi1iYjc1YjRlMGVjZDMaDnsibmFtZSI6IkFubiJ9',
  leave: 'X19sX18KAnUxEiQzZjExODM5Yy0yM2U0LTQxOTQtOTY0Zi1iYjc1YjRlMGVjZDMaDnsibmFtZSI6IkFubiJ9',
};

/** Somebody who is present. */
export const ANN = {
  client: '3f11839c-23e4-4194-964f-bb75b4e0ecd3',
  info: 'CgJ1MRIkM2YxMTgzOWMtMjNlNC00MTk0LTk2NGYtYmI3NWI0ZTBlY2QzGg57Im5hbWUiOiJBbm4ifQ==',
};
