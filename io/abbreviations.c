/* Common abbreviations of English, German and French, gathered for this project. Single letters
 * and words with a dot inside need no entry where they are capitals: initials are a rule. */
#include "abbreviations.h"

#include <string.h>

typedef struct list {
    const char *language;
    const char *words;   /* between blanks, which stand at both ends too */
    const char *numbers; /* those that count before numbers alone */
    const char *letters; /* single small letters that are abbreviations as well */
    bool ordinals;       /* one or two digits are: "am 3. Mai" */
} list;

/* The first one serves languages that have none. */
static const list lists[] = {
    {"en",
     " Mr Mrs Ms Mx Dr Drs Prof Rev Hon Fr St Sr Jr Bros Messrs Mme Mlle Esq"
     " Gen Col Maj Capt Lt Sgt Cpl Pvt Cmdr Adm Brig Supt Insp Gov Pres Sen Sens Rep Reps"
     " Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec"
     " vs v i.e e.g cf approx Ave Blvd Rd Mt Ft Bldg Dept Univ Corp Co Inc Ltd Assn Ph Vol ",
     " No Nos Art pp p vol fig Fig ", "", false},
    {"de",
     " Hr Fr Dr Prof Dipl Ing Mag St Frl Pfr Gebr"
     " z.B d.h u.a o.a o.\xC3\xA4 u.\xC3\xA4 i.A i.d.R m.E u.U z.T z.Zt v.a u.s.w s.o s.u bzw usw "
     "etc vgl ca"
     " ggf evtl inkl exkl zzgl bzgl sog Abb Abs Anm Bd Bsp Hrsg Jh Jhd Kap Mio Mrd Nr Str Tel Std"
     " Min Sek geb gest verh ff dgl jr sen Co Ltd "
     "Jan Feb Apr Aug Sept Okt Nov Dez Mo Di Mi Do Sa So ",
     " Art S p pp No ", "abcdefghijklmnopqrstuvwxyz", true},
    {"fr",
     " M MM Mme Mmes Mlle Mlles Dr Pr Me Mgr St Ste"
     " p.ex c.-\xC3\xA0-d i.e cf etc env av apr J.-C ch chap \xC3\xA9"
     "d fig ex hab ibid id vol vs"
     " art ann bibl boul bd f\xC3\xA9v janv juil sept oct nov d\xC3\xA9"
     "c t\xC3\xA9l sq sqq suiv sup suppl ",
     " no n p pp ", "bcdefghijklmnopqrstuvwxyz", false},
};

static const list *find_list(const char *language)
{
    for (size_t i = 0; language && i < sizeof lists / sizeof lists[0]; i++)
        if (strcmp(lists[i].language, language) == 0) return &lists[i];
    return &lists[0];
}

static bool holds(const char *words, const char *word, size_t length)
{
    for (const char *at = words; (at = strchr(at, ' ')) && at[1]; at++)
        if (strncmp(at + 1, word, length) == 0 && at[1 + length] == ' ') return true;
    return false;
}

wg__abbreviation wg__find_abbreviation(const char *language, const char *word, size_t length)
{
    const list *l = find_list(language);
    if (length == 0 || length > 16 || memchr(word, ' ', length)) return WG__NO_ABBREVIATION;
    char c = word[0];
    if (length == 1 && c >= 'A' && c <= 'Z') return WG__ABBREVIATION;
    if (length == 1 && c && strchr(l->letters, c)) return WG__ABBREVIATION;
    if (l->ordinals && length <= 2 && strspn(word, "0123456789") >= length) return WG__ABBREVIATION;
    if (holds(l->words, word, length)) return WG__ABBREVIATION;
    return holds(l->numbers, word, length) ? WG__BEFORE_NUMBERS : WG__NO_ABBREVIATION;
}
