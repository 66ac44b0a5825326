/** Keys are a file on the server, so that none can be made by whoever finds one. */
export function HowKeysAreMade({ hasKeys }: { readonly hasKeys: boolean }) {
  return (
    <p className="hint">
      {hasKeys
        ? 'Keys are created and revoked on the server'
        : 'This fleet has no keys: anyone who can reach it can do everything. Keys are created on the server'}
      , with <code>npm run keys -- create NAME</code> and <code>npm run keys -- revoke NAME</code>; limits and weights
      are in the keys file. The API picks up changes within two seconds.
    </p>
  );
}
