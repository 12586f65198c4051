# What Sfumato needs from the system, and why. Sourced by run.sh and test.sh; each line is
#   how to see whether it is there | what it is for | apt | dnf | pacman | brew
# A check is `cmd NAME` (a program), `lib NAME` (a shared library the loader finds), or `icd` (a Vulkan driver). A dash means
# that this system has it, or has no use for it.

BUILD_PACKAGES='
cmd cc | compiles the bundled SQLite and links the program | gcc libc6-dev | gcc glibc-devel | gcc | -
'
WINDOW_PACKAGES='
icd | draws the window where there is no graphics driver of its own | mesa-vulkan-drivers | mesa-vulkan-drivers | vulkan-swrast | -
lib libvulkan.so.1 | finds the graphics driver | libvulkan1 | vulkan-loader | vulkan-icd-loader | -
lib libxkbcommon-x11.so.0 | reads the keyboard | libxkbcommon-x11-0 | libxkbcommon-x11 | libxkbcommon-x11 | -
lib libXcursor.so.1 | shows the pointer | libxcursor1 | libXcursor | libxcursor | -
lib libXi.so.6 | reads mouse and pen | libxi6 | libXi | libxi | -
lib libXrandr.so.2 | asks for the screens | libxrandr2 | libXrandr | libxrandr | -
'
TEST_PACKAGES='
cmd Xvfb | a screen for the window test, in memory | xvfb | xorg-x11-server-Xvfb | xorg-server-xvfb | -
cmd xdotool | types and clicks in the window test | xdotool | xdotool | xdotool | -
cmd openbox | gives the tested window the keyboard, as a desktop does | openbox | openbox | openbox | -
cmd import | takes the screenshots | imagemagick | ImageMagick | imagemagick | imagemagick
'

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# Whether the dynamic loader finds a library.
has_library() {
    { ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null; } | grep -q "$1"
}

has_vulkan_driver() {
    for folder in /usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d; do
        for manifest in "$folder"/*.json; do
            [ -e "$manifest" ] && return 0
        done
    done
    return 1
}

is_there() {
    case $1 in
        cmd) command -v "$2" >/dev/null 2>&1 ;;
        lib) [ "$(uname -s)" != Linux ] || has_library "$2" ;;
        icd) [ "$(uname -s)" != Linux ] || has_vulkan_driver ;;
    esac
}

# Sets MANAGER to the package manager and COLUMN to its place in the lists.
find_manager() {
    COLUMN=0
    place=3
    for MANAGER in apt-get dnf pacman brew; do
        if command -v "$MANAGER" >/dev/null 2>&1; then
            COLUMN=$place
            return
        fi
        place=$((place + 1))
    done
}

trimmed() { printf '%s' "$1" | sed 's/^ *//; s/ *$//'; }

# Prints "packages|what for" for each line of the lists that is not there.
missing_of() {
    printf '%s' "$1" | while IFS= read -r line; do
        [ -n "$line" ] || continue
        check=$(trimmed "${line%%|*}")
        # shellcheck disable=SC2086 # two words: the kind of check and the name
        is_there $check && continue
        reason=$(trimmed "$(printf '%s' "$line" | cut -d'|' -f2)")
        packages=-
        [ "$COLUMN" -eq 0 ] || packages=$(trimmed "$(printf '%s' "$line" | cut -d'|' -f"$COLUMN")")
        [ "$packages" = - ] && [ "$COLUMN" -ne 0 ] && continue
        [ "$COLUMN" -ne 0 ] || packages=$check
        printf '%s|%s\n' "$packages" "$reason"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ] || [ "$MANAGER" = brew ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        die "Installing needs root and there is no sudo: run as root: $*"
    fi
}

# Installs what is missing of the lists in $1. Says what and why; asks first where somebody can answer.
install_missing() {
    find_manager
    missing=$(missing_of "$1")
    [ -n "$missing" ] || return 0
    say "Sfumato needs these system packages, which are not installed:"
    printf '%s\n' "$missing" | while IFS='|' read -r packages reason; do say "  $packages: $reason"; done
    [ "$COLUMN" -ne 0 ] || die "None of apt, dnf, pacman and brew is here: install the above yourself, then run this again."
    if [ -t 0 ] && [ -t 2 ] && [ -z "${CI:-}" ]; then
        printf 'Install them with %s now? [Y/n] ' "$MANAGER" >&2
        read -r answer
        case $answer in
            [nN]*) die "Nothing was installed." ;;
        esac
    fi
    packages=$(printf '%s\n' "$missing" | cut -d'|' -f1 | tr '\n' ' ')
    # shellcheck disable=SC2086 # a list of words
    case $MANAGER in
        apt-get)
            as_root apt-get update -qq
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >&2
            ;;
        dnf) as_root dnf install -y $packages >&2 ;;
        pacman) as_root pacman -Sy --needed --noconfirm $packages >&2 ;;
        brew) brew install $packages >&2 ;;
    esac || die "The packages could not be installed: see above, then run this again."
}

# Rust itself is not a system package: rustup keeps it current.
need_rust() {
    command -v cargo >/dev/null 2>&1 || [ ! -r "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
    command -v cargo >/dev/null 2>&1 || die "There is no Rust toolchain: install it from https://rustup.rs, then run this again."
}
