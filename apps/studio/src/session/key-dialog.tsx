import { type FormEvent, useId, useState } from 'react';

interface KeyDialogProps {
  /** There was a key, which the API does not know. */
  readonly wasRefused: boolean;
  readonly onKey: (key: string, isRemembered: boolean) => void;
}

/** Asks for an API key. */
export function KeyDialog({ wasRefused, onKey }: KeyDialogProps) {
  const [key, setKey] = useState('');
  const [isRemembered, setRemembered] = useState(false);
  const hint = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim() !== '') onKey(key.trim(), isRemembered);
  };
  return (
    <main className="key-page">
      <form className="card key-form" onSubmit={submit}>
        <h1>comfy-fleet studio</h1>
        <p id={hint}>
          {wasRefused ? 'This key is not known here, or no longer. ' : ''}
          This fleet needs an API key. It stays in this tab and is sent only to this server.
        </p>
        <label className="field">
          <span className="label">API key</span>
          <input
            type="password"
            autoComplete="off"
            // biome-ignore lint/a11y/noAutofocus: there is nothing else on the page
            autoFocus
            aria-describedby={hint}
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <label className="check">
          <input type="checkbox" checked={isRemembered} onChange={(event) => setRemembered(event.target.checked)} />
          Remember it on this browser
        </label>
        <button type="submit" className="primary">
          Continue
        </button>
      </form>
    </main>
  );
}
