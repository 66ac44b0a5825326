/** Keys are a file on the server, so that none can be made by whoever finds one. */
export function HowKeysAreMade({ hasKeys }: { readonly hasKeys: boolean }) {
  return (
    <p className="hint">
      {hasKeys
        ? 'Keys are made and revoked on the server'
        : 'This fleet has no keys: whoever reaches it may do everything. Keys are made on the server'}
      , with <code>npm run keys -- create NAME</code> and <code>npm run keys -- revoke NAME</code>; limits and weights
      stand in the keys file. The API follows within two seconds.
    </p>
  );
}
