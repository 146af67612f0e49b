/** Functions and classes alike: what they take and give is the user's affair, and nothing here calls them. */
// biome-ignore lint/complexity/noBannedTypes: classes are functions that no call signature describes
export type AnyFunction = Function;
