const NAME = 'comfy-fleet.key';
/** Where the tab keeps the form of the page Make. The next key must not see what was written for this one. */
export const DRAFT_NAME = 'comfy-fleet.draft';

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
    sessionStorage.removeItem(DRAFT_NAME);
  },
};

function read(store: Storage): string | undefined {
  return store.getItem(NAME) ?? undefined;
}
