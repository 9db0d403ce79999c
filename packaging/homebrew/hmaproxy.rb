# Copy to Formula/hmaproxy.rb of a tap: github.com/OWNER/homebrew-tap.
class Hmaproxy < Formula
  desc "Local auth proxy for legacy Exchange Web Services clients"
  homepage "https://github.com/OWNER/hmaproxy"
  version "@NUMBER@"
  license "MIT"

  on_macos do
    on_arm do
      url "https://github.com/OWNER/hmaproxy/releases/download/@VERSION@/hmaproxy_darwin_arm64.tar.gz"
      sha256 "@DARWIN_ARM64@"
    end
    on_intel do
      url "https://github.com/OWNER/hmaproxy/releases/download/@VERSION@/hmaproxy_darwin_amd64.tar.gz"
      sha256 "@DARWIN_AMD64@"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/OWNER/hmaproxy/releases/download/@VERSION@/hmaproxy_linux_arm64.tar.gz"
      sha256 "@LINUX_ARM64@"
    end
    on_intel do
      url "https://github.com/OWNER/hmaproxy/releases/download/@VERSION@/hmaproxy_linux_amd64.tar.gz"
      sha256 "@LINUX_AMD64@"
    end
  end

  def install
    bin.install "hmaproxy"
    bash_completion.install "deploy/completions/hmaproxy.bash" => "hmaproxy"
    zsh_completion.install "deploy/completions/_hmaproxy"
    fish_completion.install "deploy/completions/hmaproxy.fish"
    man1.install "deploy/man/hmaproxy.1"
    man5.install "deploy/man/hmaproxy.env.5"
    doc.install "README.md", "CHANGELOG.md", "SECURITY.md", "LICENSES-of-dependencies.txt", "docs", "deploy"
  end

  # Settings are in etc; the service ends with status 78 while they are missing.
  service do
    run [opt_bin/"hmaproxy", "-env-file", etc/"hmaproxy.env"]
    keep_alive crashed: true
    log_path var/"log/hmaproxy.log"
    error_log_path var/"log/hmaproxy.log"
  end

  def caveats
    <<~EOS
      Write the settings, then start it:
        hmaproxy init -o #{etc}/hmaproxy.env
        hmaproxy doctor -env-file #{etc}/hmaproxy.env
        brew services start hmaproxy
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/hmaproxy version")
  end
end
