const NAME = 'comfy-fleet.key';

/** The API key that was pasted: for this tab, or on this browser if that was asked. */
export const keyStore = {
  get: (): string | undefined => read(sessionStorage) ?? read(localStorage),
  set: (key: string, isRemembered: boolean): void => {
    keyStore.forget();
    (isRemembered ? localStorage : sessionStorage).setItem(NAME, key);
  },
  forget: (): void => {
    sessionStorage.removeItem(NAME);
    localStorage.removeItem(NAME);
  },
};

function read(store: Storage): string | undefined {
  return store.getItem(NAME) ?? undefined;
}
