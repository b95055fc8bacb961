/** A compiled tags filter. */
export interface TagsFilter {
  /** Equal for filters that match the same publications by construction: members with equal keys share a class. */
  readonly key: string;
  matches(tags: Readonly<Record<string, string>> | undefined): boolean;
}
