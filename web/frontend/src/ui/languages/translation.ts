/** The shape that a translation has: the keys of the English texts, and functions of the same parameters. */
export type Translation<English> = {
  readonly [Key in keyof English]: English[Key] extends string
    ? string
    : English[Key] extends (...values: infer Values) => string
      ? (...values: Values) => string
      : Translation<English[Key]>;
};

/** A text that depends on a number, by the plural forms of Intl.PluralRules: the parameter is the formatted number. */
export type Plural = { readonly other: (count: string) => string } & {
  readonly [Form in Intl.LDMLPluralRule]?: (count: string) => string;
};
