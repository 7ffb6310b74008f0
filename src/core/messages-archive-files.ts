/** What the page of an archive's contents says. Plain text. */
const mega = (bytes: number): string => `${Math.round(bytes / 1_000_000)} MB`;

export const archiveFilesMessages = {
  notAnArchive: 'This file is neither a zip nor a tar archive: it can only be downloaded whole.',
  tooLarge: (bytes: number) =>
    `This archive is larger than ${mega(bytes)}: RCB does not look into it; it can only be downloaded whole.`,
  unreadable: (why: string) => `This archive could not be read: ${why}. It can still be downloaded whole.`,
  busy: 'Several archives are being read just now. Try again in a few seconds; the whole file can be downloaded meanwhile.',
  tooSlow: (seconds: number) => `Reading it took longer than ${seconds} s.`,

  cutEntries: (most: number) => `Only the first ${most} entries are listed; the archive has more.`,
  cutBytes: (bytes: number) => `Only what is in its first ${mega(bytes)}, unpacked, is listed.`,
  cutBroken: (why: string) => `It is damaged or incomplete (${why}): what comes after is not listed.`,

  noSuchFile: 'The archive has no file at this place.',
  notAFile: (what: string) => `This entry is ${what}: there is nothing to download.`,
  encrypted: 'encrypted',
  compressed: 'compressed in a way that RCB does not read',
  link: (to: string) => `a link to ${to}`,
  special: 'a special file',
  meaning: 'Nothing was unpacked: each file is read from the archive when it is asked for.',
  empty: 'There is no file in it.',
} as const;
