/** Redis counts in whole seconds here; anything that is to live at all lives for one. */
export const seconds = (ms: number): string => String(Math.ceil(ms / 1000));
